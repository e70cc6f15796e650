/** How long a form that was sent is not sent again, if the browser stays on its page: the user stopped it, or saved a file. */
const AGAIN_AFTER_MS = 10_000

/**
 * The only script of the pages. Its first part ignores the second click of a double click: the browser would drop the
 * response to the first request, and show that the code or the password was used before. Buttons are not disabled,
 * because disabled buttons send no value.
 *
 * The second part asks the device for a passkey with the options of a button, and submits the button's form with the
 * response. It shows the parts of a page that need passkeys, and hides their replacements.
 */
export const PAGE_SCRIPT = `'use strict'
document.addEventListener('submit', (event) => {
  const { target: form, submitter } = event
  if (submitter?.dataset.passkey) return
  if ('sent' in form.dataset) event.preventDefault()
  else {
    form.dataset.sent = ''
    setTimeout(() => delete form.dataset.sent, ${AGAIN_AFTER_MS})
  }
})
// The user went back.
addEventListener('pageshow', () => {
  for (const form of document.forms) delete form.dataset.sent
})

;(async () => {
  const Credential = window.PublicKeyCredential
  if (!Credential?.parseRequestOptionsFromJSON || !Credential.parseCreationOptionsFromJSON) return
  for (const part of document.querySelectorAll('[data-passkeys]')) part.hidden = !part.hidden
  let asking

  async function ask(button, more) {
    // One question at a time: the browser refuses a second one.
    asking?.abort()
    asking = new AbortController()
    const { passkey: deed, options } = button.dataset
    const read = deed === 'create' ? 'parseCreationOptionsFromJSON' : 'parseRequestOptionsFromJSON'
    const publicKey = Credential[read](JSON.parse(options))
    const answer = await navigator.credentials[deed]({ publicKey, signal: asking.signal, ...more })
    // After the user went back, the form may have the field already.
    const field = button.form.elements.passkey ?? document.createElement('input')
    field.type = 'hidden'
    field.name = 'passkey'
    field.value = JSON.stringify(answer)
    button.form.append(field)
    button.form.submit()
  }

  document.addEventListener('submit', (event) => {
    const button = event.submitter
    if (!button?.dataset.passkey) return
    event.preventDefault()
    const status = button.nextElementSibling
    status.textContent = ''
    ask(button).catch(({ name }) => {
      if (name === 'AbortError') return
      status.textContent = (name === 'InvalidStateError' && button.dataset.known) || button.dataset.refused
    })
  })

  const offered = document.querySelector('[data-offered]')
  if (!offered || !(await Credential.isConditionalMediationAvailable?.()) || asking) return
  // Nobody has asked for it: whatever goes wrong is not shown.
  ask(offered, { mediation: 'conditional' }).catch(() => {})
})()
`
