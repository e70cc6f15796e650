import { type Html, html } from './html.js'
import type { Locale, Translated } from './languages.js'

const LOG_IN: Translated<string> = { en: 'Log in', ko: '로그인' }

interface Field {
  name: string
  label: string
  type?: 'text' | 'password' | 'email'
  /** The autofill detail token of HTML, for browsers and password managers. */
  autocomplete?: string
  hint?: string | undefined
  value?: string | undefined
  isWrong?: boolean
  isOptional?: boolean
  isFirst?: boolean
  isCode?: boolean
  maxLength?: number
}

/** A field with its label and hint, linked for screen readers. */
export function field({ name, label, type = 'text', autocomplete = 'off', hint, value, ...more }: Field): Html {
  const { isWrong, isOptional, isFirst, isCode, maxLength = 256 } = more
  const isText = type === 'text'
  return html`<p class="field">
<label class="label" for="${name}">${label}</label>
<input id="${name}" name="${name}" type="${type}" autocomplete="${autocomplete}" maxlength="${maxLength}"
${isText && html` autocapitalize="${isCode ? 'characters' : 'none'}" spellcheck="false"`}${isCode && html` class="code"`}
${value !== undefined && html` value="${value}"`}${!isOptional && html` required`}${isFirst && html` autofocus`}
${hint !== undefined && html` aria-describedby="${name}-hint"`}${isWrong && html` aria-invalid="true"`}>
${hint !== undefined && html`<span class="hint" id="${name}-hint">${hint}</span>`}
</p>`
}

/**
 * A checkbox. `isTicked` repeats the user's own choice. Nothing is checked in advance: mail scanners submit forms
 * unchanged.
 */
export function checkbox(name: string, label: string, { isRequired = true, isTicked = false } = {}): Html {
  return html`<label class="check"><input type="checkbox" name="${name}" value="yes"${isRequired && ' required'}${isTicked && ' checked'}><span>${label}</span></label>`
}

/** A drop-down list: labels by value. */
export function choice(
  name: string,
  label: string,
  { options, value }: { options: Readonly<Record<string, string>>; value: string },
): Html {
  const items = Object.entries(options).map(
    ([key, text]) => html`<option value="${key}"${key === value && ' selected'}>${text}</option>`,
  )
  return html`<p class="field"><label class="label" for="${name}">${label}</label><select id="${name}" name="${name}">${items}</select></p>`
}

export function hidden(name: string, value: string): Html {
  return html`<input type="hidden" name="${name}" value="${value}">`
}

/** The account's name, for password managers: they store the new password under it. */
export function accountName(value: string): Html {
  return html`<input type="text" name="account" value="${value}" autocomplete="username" hidden>`
}

export function button(label: string, kind: '' | 'quiet' | 'danger' = ''): Html {
  return html`<button${kind !== '' && html` class="${kind}"`}>${label}</button>`
}

/** A link to the next page. */
export function wayOn(address: string, label: string): Html {
  return html`<p><a class="button" href="${address}">${label}</a></p>`
}

/** A link to the log-in of the service with this path. */
export function wayToLogIn(path: string, locale: Locale): Html {
  return wayOn(`${path}/account/login`, LOG_IN[locale])
}

/** An error, which screen readers announce when the page loads. */
export function complaint(text: string | undefined): Html {
  return html`${text !== undefined && html`<p class="note bad" role="alert">${text}</p>`}`
}

/** A success message. */
export function success(text: string): Html {
  return html`<p class="note good" role="status">${text}</p>`
}
