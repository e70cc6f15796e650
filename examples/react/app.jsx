import { StrictMode, useEffect, useState } from 'react'
import { createRoot } from 'react-dom/client'
import { call, finishLogIn, isLoggedIn, logIn, logOut } from './auth.js'

function App({ failure }) {
  const [isIn, setIsIn] = useState(isLoggedIn())
  const [message, setMessage] = useState(failure)
  /** Runs an operation, and displays its error on the page. */
  const attempt = (work) =>
    work().then(
      () => setMessage(''),
      (error) => setMessage(error.message),
    )
  const leave = async () => {
    await logOut()
    setIsIn(false)
  }
  return (
    <main>
      {isIn ? (
        <Todos attempt={attempt} onLogOut={() => attempt(leave)} />
      ) : (
        <button type="button" onClick={() => attempt(logIn)}>
          Log in
        </button>
      )}
      <p role="status">{message}</p>
    </main>
  )
}

function Todos({ attempt, onLogOut }) {
  const [me, setMe] = useState()
  const [todos, setTodos] = useState([])
  const load = async () => {
    const [account, list] = await Promise.all([call('/v1/me'), call('/v1/todos')])
    setMe(account)
    setTodos(list.items)
  }
  const add = async (form) => {
    await call('/v1/todos', { method: 'POST', body: JSON.stringify(Object.fromEntries(new FormData(form))) })
    form.reset()
    await load()
  }
  // biome-ignore lint/correctness/useExhaustiveDependencies: loaded once, when the list is first shown
  useEffect(() => void attempt(load), [])
  return (
    <>
      <p>
        Hello, <b>{me?.username}</b>.{' '}
        <button type="button" onClick={onLogOut}>
          Log out
        </button>
      </p>
      <form
        onSubmit={(event) => {
          event.preventDefault()
          attempt(() => add(event.currentTarget))
        }}
      >
        <label>
          To do <input name="title" required />
        </label>
        <button type="submit">Add</button>
      </form>
      <ul>
        {todos.map(({ id, title }) => (
          <li key={id}>{title}</li>
        ))}
      </ul>
    </>
  )
}

// Before the first render, and once: a code can only be exchanged once, and StrictMode runs effects twice.
const failure = await finishLogIn().then(
  () => '',
  (error) => error.message,
)
createRoot(document.getElementById('root')).render(
  <StrictMode>
    <App failure={failure} />
  </StrictMode>,
)
