import { UsageError } from '../usage-error.js'
import type { Command, Commands } from './command.js'

const HELP = `Usage: latchkey completion <bash | zsh>

Prints a script that completes commands, actions and options at the Tab key. In ~/.bashrc or, behind compinit, in ~/.zshrc:

  eval "$(latchkey completion bash)"
  eval "$(latchkey completion zsh)"

Exit codes: 0 done; 64 wrong usage.
`

const SHELLS = { bash: bashScript, zsh: zshScript }

/** The words that may stand behind each command. */
type Words = [command: string, words: string[]][]

/** The command that knows all of the others. */
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

async function wordsOf(commands: Commands): Promise<Words> {
  const names = Object.keys(commands)
  const words = Object.entries(commands).map(async ([name, { load }]): Promise<Words[number]> => {
    const { ACTIONS = [], options = {} } = await load()
    return [name, [...ACTIONS, ...Object.keys(options).map((option) => `--${option}`), '--help']]
  })
  return [...(await Promise.all(words)), ['help', names]]
}

function bashScript(words: Words): string {
  return `_latchkey() {
  local words=''
  if [ "$COMP_CWORD" -eq 1 ]; then words='${namesOf(words)}'
  else
    case "\${COMP_WORDS[1]}" in
${casesOf(words, (list) => `words='${list}'`)}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _latchkey latchkey
`
}

function zshScript(words: Words): string {
  return `#compdef latchkey
_latchkey() {
  if (( CURRENT == 2 )); then compadd -- ${namesOf(words)}
  else
    case "\${words[2]}" in
${casesOf(words, (list) => `compadd -- ${list}`)}
    esac
    _files
  fi
}
compdef _latchkey latchkey
`
}

function namesOf(words: Words): string {
  return words.map(([command]) => command).join(' ')
}

function casesOf(words: Words, act: (list: string) => string): string {
  return words.map(([command, list]) => `      ${command}) ${act(list.join(' '))} ;;`).join('\n')
}
