import { IDENTIFIER_MAX_LENGTH } from '../text-lengths.js'
import { button, complaint, field } from './forms.js'
import { html } from './html.js'
import type { Page } from './layout.js'

/** The data of a form that requests a mail. */
export interface MailRequestForm {
  action: string
  /** The log-in, for users who know their password. */
  logIn: string
  email?: string | undefined
  error?: string | undefined
}

type Texts = Record<'title' | 'hint' | 'email' | 'submit' | 'back', string>

/** Asks for the e-mail address of an account, and mails it. */
export function mailRequestPage({ action, logIn, email, error }: MailRequestForm, text: Texts): Page {
  return {
    title: text.title,
    ...(error !== undefined && { status: 400 }),
    body: html`${complaint(error)}
<p>${text.hint}</p>
<form method="post" action="${action}">
${field({
  name: 'email',
  label: text.email,
  type: 'email',
  autocomplete: 'username',
  value: email,
  isFirst: true,
  maxLength: IDENTIFIER_MAX_LENGTH,
  isWrong: error !== undefined,
})}
${button(text.submit)}
</form>
<p class="more"><a href="${logIn}">${text.back}</a></p>`,
  }
}
