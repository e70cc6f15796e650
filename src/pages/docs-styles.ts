/** Additional styles for Swagger UI at /docs: the colours of the other pages, and a layout for phones. */
export const DOCS_STYLES = `:root { --accent: #1a56c4; --accent-hover: #15479f; --muted: #57606a; }
.swagger-ui .topbar { background: var(--accent); padding: .6rem 0; }
.swagger-ui .topbar .download-url-wrapper .select-label { color: #fff; }
.swagger-ui .topbar .download-url-wrapper .select-label select { border-color: #fff; }
.swagger-ui .info .title small { background: var(--muted); }
.swagger-ui .info a, .swagger-ui a.nostyle:focus-visible { color: var(--accent); }
.swagger-ui .info .base-url, .swagger-ui .info .title + span { display: none; }
.swagger-ui .btn.authorize { border-color: var(--accent); color: var(--accent); }
.swagger-ui .btn.authorize svg { fill: var(--accent); }
.swagger-ui .btn.execute { background: var(--accent); border-color: var(--accent); }
.swagger-ui .btn.execute:hover { background: var(--accent-hover); }
@media (max-width: 640px) {
  .swagger-ui .wrapper, .swagger-ui .topbar .wrapper { padding: 0 .75rem; }
  .swagger-ui .topbar-wrapper, .swagger-ui .topbar .download-url-wrapper, .swagger-ui .scheme-container .schemes { flex-wrap: wrap; }
  .swagger-ui .topbar .download-url-wrapper .select-label { flex-wrap: wrap; gap: .4rem; max-width: 100%; }
  .swagger-ui .topbar .download-url-wrapper .select-label select { width: 100%; min-width: 0; }
  .swagger-ui .info { margin: 1.25rem 0; overflow-wrap: anywhere; }
  .swagger-ui .opblock .opblock-summary-control { flex-wrap: wrap; min-width: 0; }
  .swagger-ui .opblock .opblock-summary-path { max-width: 100%; }
  .swagger-ui .opblock .opblock-summary-description, .swagger-ui .opblock .opblock-summary-operation-id { padding: .2rem .6rem; }
  .swagger-ui .opblock-tag { flex-wrap: wrap; }
  .swagger-ui .opblock-tag small { padding: 0; }
  .swagger-ui table { display: block; overflow-x: auto; }
  .swagger-ui .parameters-col_name { width: auto; }
  .swagger-ui .dialog-ux .modal-ux { min-width: 0; width: calc(100vw - 1.5rem); }
  .swagger-ui input, .swagger-ui select, .swagger-ui textarea { font-size: 16px; max-width: 100%; min-width: 0; }
}
`
