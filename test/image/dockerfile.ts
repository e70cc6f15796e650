import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Copy, type Dockerfile, DockerfileParser, type From, type JSONInstruction } from 'dockerfile-ast'
import { packageRoot } from '../../src/package.js'

type Instruction = ReturnType<Dockerfile['getInstructions']>[number]

/** An instruction with its variables expanded. */
export interface Step {
  keyword: string
  /** The words after the keyword and its flags; in the exec form, the strings. */
  words: string[]
  /** Everything after the keyword, as written, without line breaks. */
  text: string
  isExecForm: boolean
  flags: Record<string, string>
}

export interface Stage {
  image: string
  name: string | undefined
  steps: Step[]
}

/** The stages of this project's Dockerfile. The last stage is the image. */
export async function readDockerfile(): Promise<Stage[]> {
  const dockerfile = DockerfileParser.parse(await readFile(join(packageRoot, 'Dockerfile'), 'utf8'))
  const stages: Stage[] = []
  for (const instruction of dockerfile.getInstructions()) {
    if (instruction.getKeyword() === 'FROM') {
      const [image = ''] = expanded(instruction)
      stages.push({ image, name: (instruction as From).getBuildStage() ?? undefined, steps: [] })
    } else stages.at(-1)?.steps.push(toStep(instruction))
  }
  return stages
}

/** All steps of a stage with this keyword. */
export function stepsOf({ steps }: Stage, keyword: string): Step[] {
  return steps.filter((step) => step.keyword === keyword)
}

/** The variables that the ENV instructions of a stage set. */
export function environmentOf(stage: Stage): Record<string, string> {
  return Object.fromEntries(
    stepsOf(stage, 'ENV').flatMap(({ words }) =>
      words.map((word) => [word.split('=')[0], word.replace(/^[^=]*=/, '')]),
    ),
  )
}

function toStep(instruction: Instruction): Step {
  const keyword = instruction.getKeyword()
  const strings = 'getJSONStrings' in instruction ? (instruction as JSONInstruction).getJSONStrings() : []
  const flags = 'getFlags' in instruction ? (instruction as Copy).getFlags() : []
  return {
    keyword,
    words: strings.length > 0 ? strings.map((string) => JSON.parse(string.getValue())) : expanded(instruction),
    text: (instruction.getRawArgumentsContent() ?? '').replace(/\\\n\s*/g, ''),
    isExecForm: strings.length > 0,
    flags: Object.fromEntries(flags.map((flag) => [flag.getName(), flag.getValue() ?? ''])),
  }
}

function expanded(instruction: Instruction): string[] {
  return instruction.getExpandedArguments().map((argument) => argument.getValue())
}
