/** The values of `prompt`: OpenID Connect Core, section 3.1.2.1. */
export const PROMPTS = ['none', 'login', 'consent', 'select_account'] as const
type Prompt = (typeof PROMPTS)[number]
/**
 * The prompts that require a log-in. A browser has one account at a time, so selecting another account means a log-in.
 */
const LOG_INS: readonly Prompt[] = ['login', 'select_account']
const MAX_AGE = /^\d{1,10}$/

export interface Interaction {
  prompts: readonly Prompt[]
  /** The maximum age of the log-in, in seconds. */
  maxAge: number | undefined
  /** A name to prefill in the log-in form. */
  loginHint: string | undefined
}

type Parameters = Record<string, string | undefined>

/** The error in the parameters, as a sentence; undefined if they are valid. */
export function flawOfInteraction({ prompt, max_age: maxAge }: Parameters): string | undefined {
  const words = wordsIn(prompt)
  if (!words.every(isPrompt)) return `prompt must be one or more of ${PROMPTS.join(', ')}.`
  if (words.includes('none') && words.length > 1) return 'prompt=none cannot be combined with other values.'
  if (maxAge !== undefined && !MAX_AGE.test(maxAge)) return 'max_age must be a number of seconds.'
  return undefined
}

export function readInteraction(parameters: Parameters): Interaction {
  const { prompt, max_age: maxAge, login_hint: loginHint } = parameters
  return {
    prompts: wordsIn(prompt).filter(isPrompt),
    maxAge: maxAge === undefined ? undefined : Number(maxAge),
    loginHint,
  }
}

/** Whether the request requires a new log-in, given the time of the last log-in (in milliseconds since 1970). */
export function needsLogIn({ prompts, maxAge }: Interaction, authTime: number): boolean {
  if (prompts.some((prompt) => LOG_INS.includes(prompt))) return true
  return maxAge !== undefined && Date.now() - authTime > maxAge * 1_000
}

/** The query of a request without the parameters that the log-in has just satisfied. */
export function afterLogIn(query: string): string {
  const parameters = new URLSearchParams(query)
  const prompts = wordsIn(parameters.get('prompt') ?? undefined).filter((word) => !LOG_INS.some((one) => one === word))
  if (prompts.length > 0) parameters.set('prompt', prompts.join(' '))
  else parameters.delete('prompt')
  parameters.delete('max_age')
  return `?${parameters}`
}

function wordsIn(text: string | undefined): string[] {
  return (text ?? '').split(' ').filter((word) => word !== '')
}

function isPrompt(word: string): word is Prompt {
  return PROMPTS.some((prompt) => prompt === word)
}
