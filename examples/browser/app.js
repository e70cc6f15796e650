import { refreshingFetch } from './refreshing-fetch.js'

const LATCHKEY = new URLSearchParams(location.search).get('latchkey') ?? 'http://localhost:3000'
const KEY = 'latchkey'
const $ = (id) => document.querySelector(id)

// All tabs share the session in localStorage. An injected script can read it; docs/web-apps.md compares the
// alternatives.
const store = {
  get: () => JSON.parse(localStorage.getItem(KEY)),
  set: (tokens) => {
    if (tokens) localStorage.setItem(KEY, JSON.stringify(tokens))
    else localStorage.removeItem(KEY)
    show()
  },
}
const fetchWithToken = refreshingFetch(LATCHKEY, store)

/** Calls the API. @throws Error with the message of the problem */
async function call(method, path, body) {
  const headers = body && { 'content-type': 'application/json' }
  const answer = await fetchWithToken(LATCHKEY + path, { method, headers, body: body && JSON.stringify(body) })
  if (answer.status === 204) return undefined
  const content = await answer.json()
  if (!answer.ok) throw new Error(content.detail ?? content.title)
  return content
}

/** Updates the page from the store, in every tab. */
async function show() {
  const isLoggedIn = store.get() !== null
  $('#login').hidden = isLoggedIn
  $('main').hidden = !isLoggedIn
  if (!isLoggedIn) return
  const { items } = await call('GET', '/v1/todos')
  const { username } = await call('GET', '/v1/me')
  $('#who').textContent = username
  $('#todos').replaceChildren(
    ...items.map(({ title }) => Object.assign(document.createElement('li'), { textContent: title })),
  )
}

/** Adds a handler whose errors are displayed on the page. */
function handle(element, event, act) {
  element.addEventListener(event, async (happened) => {
    happened.preventDefault()
    $('#message').textContent = ''
    await act(happened).catch((error) => ($('#message').textContent = error.message))
  })
}

handle($('#login'), 'submit', async ({ target, submitter }) => {
  store.set(await call('POST', `/v1/${submitter.value}`, Object.fromEntries(new FormData(target))))
})
handle($('#add'), 'submit', async ({ target }) => {
  await call('POST', '/v1/todos', Object.fromEntries(new FormData(target)))
  target.reset()
  await show()
})
handle($('#logout'), 'click', async () => {
  await call('POST', '/v1/logout')
  store.set(null)
})
// Another tab logged in or out, or refreshed.
addEventListener('storage', show)
show()
