import { defineConfig } from 'orval'

export default defineConfig({
  latchkey: {
    input: '../../openapi.json',
    output: {
      target: '../.generated/orval.ts',
      client: 'fetch',
      override: { mutator: { path: './orval-request.ts', name: 'request', extension: '.js' } },
    },
  },
})
