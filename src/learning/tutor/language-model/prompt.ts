import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { checkShape, readSource } from '../../content/source-file.ts'
import type { Passage, Topic } from '../../curriculum/curriculum.ts'
import { CONTENT } from '../../curriculum/kept.ts'
import type { TutorChoice, TutorTurn, Utterance } from '../tutor-model.ts'
import { nameRemover } from './child-name.ts'
import type { ChatMessage } from './request.ts'
import { tokensIn } from './tokens.ts'

/** The file of content/prompts that is in use. */
const VERSION = 'tutor.v1'
/** What the talk so far may take of a request. */
const HISTORY_TOKENS = 600
const MOST_INTERESTS = 6
const MOST_ICONS = 24
/** Stands for words of which nothing is left to tell. */
const SILENCE = '...'

const Words = z.string().trim().min(1)
const PromptFile = z.strictObject({
  rules: Words,
  voices: z.strictObject({ wonder_cubs: Words, curious_explorers: Words, mind_masters: Words }),
  talk: Words,
  interests: Words,
  closed: Words,
  spark: Words,
  passages: Words,
  ways_on: Words,
  formats: z.strictObject({ structured: Words, plain: Words }),
})

/** What a reply is made from, besides the turn. */
export interface Material {
  /** Best first. */
  readonly passages: readonly Passage[]
  readonly waysOn: readonly TutorChoice[]
  /** Topics that the parent has closed. */
  readonly closed: readonly Topic[]
}

export interface Prompt {
  readonly version: string
  /** A request that ends with what the child says now. Neither the child's full name nor anything of its parent is in it. */
  messages(turn: TutorTurn, material: Material, isStructured: boolean): ChatMessage[]
}

/** Reads a version of the prompt. Throws one Error that lists every fault of the file. */
export function loadPrompt(version = VERSION): Prompt {
  const name = `prompts/${version}.yaml`
  const { value: file, faults } = checkShape(readSource(name, readFileSync(new URL(name, CONTENT), 'utf8')), PromptFile)
  if (!file) throw new Error(faults.map((fault) => `${fault.file}:${fault.line} ${fault.message}`).join('\n'))

  const system = (turn: TutorTurn, { passages, waysOn, closed }: Material, isStructured: boolean): string => {
    const { topic, ageGroup, spark, depth = 0, interests = [] } = turn
    const likes = interests
      .slice(0, MOST_INTERESTS)
      .map(nameRemover(turn.childName))
      .filter((interest) => interest.trim() !== '')
    const icons = [topic.icon, ...waysOn.map((way) => way.icon), ...passages.map((passage) => passage.icon), ...topic.subtopics.map(({ icon }) => icon)]
    const parts = [
      file.rules,
      file.voices[ageGroup],
      fill(file.talk, { topic: topic.name, description: topic.description, depth: String(depth) }),
      likes.length > 0 && fill(file.interests, { interests: likes.join(', ') }),
      closed.length > 0 && fill(file.closed, { closed: closed.map(({ name }) => name).join(', ') }),
      spark && fill(file.spark, { question: spark.question }),
      passages.length > 0 && fill(file.passages, { passages: passages.map(({ ask, sentences }) => `${ask} ${sentences.join('')}`).join('\n') }),
      waysOn.length > 0 && fill(file.ways_on, { ways_on: waysOn.map(({ text, icon }) => `"${text}" (${icon})`).join(', ') }),
      isStructured ? fill(file.formats.structured, { icons: [...new Set(icons)].slice(0, MOST_ICONS).join(', ') }) : file.formats.plain,
    ]
    return parts.filter((part) => typeof part === 'string').join('\n\n')
  }

  return {
    version,
    messages(turn, material, isStructured) {
      const withoutName = nameRemover(turn.childName)
      const said = 'choice' in turn.said ? turn.said.choice.text : turn.said.question
      const before = (turn.history ?? []).map(({ who, text }) => ({ who, text: withoutName(text) }))
      return [
        { role: 'system', content: system(turn, material, isStructured) },
        ...inTurns([...latest(before, HISTORY_TOKENS), { who: 'child', text: withoutName(said).trim() || SILENCE }]),
      ]
    },
  }
}

const fill = (words: string, values: Readonly<Record<string, string>>): string => words.replace(/\{(\w+)\}/g, (gap, name: string) => values[name] ?? gap)

/** The end of a talk, within so many tokens. */
function latest(talk: readonly Utterance[], tokens: number): readonly Utterance[] {
  let left = tokens
  const first = talk.findLastIndex(({ text }) => {
    left -= tokensIn(text)
    return left < 0
  })
  return talk.slice(first + 1)
}

/** Child and tutor by turns, the child first, as many models insist. */
function inTurns(talk: readonly Utterance[]): ChatMessage[] {
  const messages: ChatMessage[] = []
  for (const { who, text } of talk) {
    const role = who === 'child' ? 'user' : 'assistant'
    const last = messages.at(-1)
    if (last?.role === role) messages.splice(-1, 1, { role, content: `${last.content}\n${text}` })
    else if (last || role === 'user') messages.push({ role, content: text })
  }
  return messages
}
