import { UsageError } from '../usage-error.js'
import type { Command, Commands } from './command.js'

const HELP = `Usage: latchkey completion <bash | zsh>

Prints a script that completes commands, actions and options with the Tab key. For bash add the first line to ~/.bashrc; for zsh
add the second line to ~/.zshrc, below the line that calls compinit:

  eval "$(latchkey completion bash)"
  eval "$(latchkey completion zsh)"

Exit codes: 0 done; 64 wrong usage.
`

const SHELLS = { bash: bashScript, zsh: zshScript }

/** The words that can follow a command: actions directly after it, options anywhere. */
interface Words {
  command: string
  actions: readonly string[]
  options: readonly string[]
}

/** The completion command, made from the list of all commands. */
export function completionOf(commands: Commands): Command {
  return {
    HELP,
    ACTIONS: Object.keys(SHELLS),
    async run(_values, [shell, extra]) {
      if (extra !== undefined) throw new UsageError(`unexpected argument "${extra}"; see latchkey completion --help`)
      process.stdout.write(SHELLS[shell as keyof typeof SHELLS](await wordsOf(commands)))
    },
  }
}

async function wordsOf(commands: Commands): Promise<Words[]> {
  const words = Object.entries(commands).map(async ([command, { load }]): Promise<Words> => {
    const { ACTIONS: actions = [], options = {} } = await load()
    return { command, actions, options: [...Object.keys(options).map((option) => `--${option}`), '--help'] }
  })
  return [...(await Promise.all(words)), { command: 'help', actions: Object.keys(commands), options: ['--json'] }]
}

// Both shells offer files where no action and no option is expected: `latchkey import <Tab>`.

function bashScript(words: Words[]): string {
  return `_latchkey() {
  local word="\${COMP_WORDS[COMP_CWORD]}" words=''
  case "\${COMP_WORDS[1]}:$COMP_CWORD:$word" in
    *:1:*) words='${namesOf(words)}' ;;
${casesOf(words, (list) => `words='${list}'`)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _latchkey latchkey
`
}

function zshScript(words: Words[]): string {
  return `#compdef latchkey
_latchkey() {
  case "\${words[2]}:$((CURRENT - 1)):$PREFIX" in
    *:1:*) compadd -- ${namesOf(words)} ;;
${casesOf(words, (list) => `compadd -- ${list}`)}
    *) _files ;;
  esac
}
compdef _latchkey latchkey
`
}

function namesOf(words: Words[]): string {
  return words.map(({ command }) => command).join(' ')
}

/** The patterns of "command:position:word". Position 2 is directly after the command. */
function casesOf(words: Words[], act: (list: string) => string): string {
  return words
    .flatMap(({ command, actions, options }) => [
      `    ${command}:*:-*) ${act(options.join(' '))} ;;`,
      ...(actions.length > 0 ? [`    ${command}:2:*) ${act(actions.join(' '))} ;;`] : []),
    ])
    .join('\n')
}
