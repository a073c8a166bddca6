import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { AGE_GROUPS } from '../../family/age-groups.ts'
import type { Aside } from '../../safety/moderation/screening.ts'
import type { Phrases } from '../content/curriculum.schema.ts'
import { sentencesOf } from '../content/readability.ts'
import type { Curriculum, Passage, Topic } from '../curriculum/curriculum.ts'
import { nextChoices } from './choices.ts'
import type { Retrieval } from './retrieval.ts'
import type { Greeting, Sentence, Speaker, TutorChoice, TutorEvent, TutorModel, TutorTurn } from './tutor-model.ts'
import { type Wish, wishOf } from './wishes.ts'

export const BUILTIN_MODEL = 'builtin'
const SPEAKER: Speaker = { model: BUILTIN_MODEL }
const spoken = (text: string): Sentence => ({ text, by: SPEAKER, isReviewed: true })

/** The tutor without any model behind it: walks the curriculum, and answers questions with the passage that fits best. */
export interface BuiltinTutor extends TutorModel {
  /** Makes ready for questions, one age group at a time, between which the event loop is free. */
  prepare(): Promise<void>
  /** Says a phrase instead of an answer, and offers ways on as after a question. */
  aside(turn: TutorTurn, kind: Aside): AsyncIterable<TutorEvent>
  /** How a conversation begins. A child that has not talked yet hears that its grown-ups can read along. */
  greet(greeting: Greeting): { readonly text: string; readonly choices: readonly TutorChoice[] }
  /** What it would reply, unspoken. */
  answer(turn: TutorTurn): Answer
  /** The ways on that it would offer after an answer. */
  waysOn(turn: TutorTurn, answer: Answer): TutorChoice[]
}

/** What a reply tells: a passage, or a phrase that leads back to the path. */
export interface Answer {
  readonly sentences: readonly string[]
  readonly passage: Passage | undefined
  readonly onTopic: boolean
  readonly answersSpark?: boolean
  /**
   * Whether no model may say it in words of its own: to a child that asks nothing, for what its parent has closed, or of who
   * reads along.
   */
  readonly isFixed?: boolean
}

/** Words that ask for something; anything else a child says to a spark is taken as its answer. */
const ASKS = /\?|^\s*(?:who|what|where|when|why|how|which|tell me|show me|explain)\b/i
const isQuestion = (text: string): boolean => ASKS.test(text)

const SPEAKS_OF_ITSELF = /\bI am\b.*\b(?:program|computer)\b/s

/** Whether a passage that was found can be what a child wishes for: its tutor to speak of itself, or the answer of a puzzle at hand. */
function helps({ sentences, topic }: Passage, wish: Wish | undefined, topicAtHand: Topic): boolean {
  if (wish === 'self') return SPEAKS_OF_ITSELF.test(sentences.join(''))
  return wish !== 'hint' || topic === topicAtHand
}

/** `paceMs` is the pause between two sentences of a reply. */
export function builtinTutor(curriculum: Curriculum, retrieval: Retrieval, paceMs: number): BuiltinTutor {
  /** The next one for every reply of the talk that told no passage, so that none comes back before the others were said. */
  function phrase(kind: keyof Phrases, { ageGroup, turnNumber, told }: TutorTurn): Answer {
    const phrases = curriculum.phrases[kind][ageGroup]
    return { sentences: sentencesOf(phrases[Math.abs(turnNumber - told.length) % phrases.length] as string), passage: undefined, onTopic: false }
  }

  const tell = (passage: Passage, onTopic: boolean): Answer => ({ sentences: passage.sentences, passage, onTopic })

  function answerTo(question: string, turn: TutorTurn): Answer {
    if (retrieval.isEmpty(question)) return { ...phrase('empty', turn), isFixed: true }
    const wish = wishOf(question)
    if (wish === 'secret') return { ...phrase('secret', turn), isFixed: true }
    if (turn.spark && !isQuestion(question) && wish !== 'self') return { sentences: turn.spark.reply, passage: undefined, onTopic: true, answersSpark: true }
    if (wish === 'nod') return phrase('nod', turn)
    const { passages, isSure } = retrieval.search(question, turn.ageGroup, turn.topic, (topic) => !turn.map.restricted.has(topic.id))
    const [best] = passages
    const isFixed = asksForClosed(question, turn)
    if (!best || !isSure || !helps(best, wish, turn.topic)) return { ...phrase(wish ?? 'unknown', turn), isFixed }
    if (turn.told.includes(best.key)) return { ...phrase(wish ?? 'told', turn), isFixed }
    const { topic } = best
    return { ...tell(best, topic === turn.topic || turn.topic.connections.some((connection) => connection.topic === topic)), isFixed }
  }

  /** Whether the nearest that the whole curriculum has, near or not, lies in a topic that the parent has closed. */
  function asksForClosed(question: string, { ageGroup, topic, map }: TutorTurn): boolean {
    if (map.restricted.size === 0) return false
    const [nearest] = retrieval.search(question, ageGroup, topic, () => true).passages
    return [nearest?.topic, nearest?.across].some((found) => found !== undefined && map.restricted.has(found.id))
  }

  /** A choice names its passage; where it has none, or an update of the content or the parent has taken it away, its words are looked up. */
  function answerToChoice(choice: TutorChoice, turn: TutorTurn): Answer {
    const passage = curriculum.passage(choice.passage)
    const isRestricted = (topic: Topic | undefined) => topic !== undefined && turn.map.restricted.has(topic.id)
    return passage && !isRestricted(passage.topic) && !isRestricted(passage.across) ? tell(passage, true) : answerTo(choice.text, { ...turn, spark: undefined })
  }

  /** Of the turns at hand: with a language model, several ask for the same one, and each answer costs a search. */
  const answers = new WeakMap<TutorTurn, Answer>()
  function answer(turn: TutorTurn): Answer {
    const known = answers.get(turn)
    if (known) return known
    const made = 'choice' in turn.said ? answerToChoice(turn.said.choice, turn) : answerTo(turn.said.question, turn)
    answers.set(turn, made)
    return made
  }

  function waysOn(turn: TutorTurn, { passage, answersSpark }: Answer): TutorChoice[] {
    const lastTold = passage ?? curriculum.passage(turn.told.at(-1))
    const offered = turn.offered.flatMap((choice) => choice.passage ?? [])
    const first = passage ? passage.leadsTo : answersSpark && turn.spark ? turn.spark.leadsTo : offered
    const told = new Set(passage ? [...turn.told, passage.key] : turn.told)
    return nextChoices(curriculum, { ...turn, told, first, here: lastTold, offeredBefore: { keys: new Set(offered), keep: !passage } })
  }

  return {
    answer,
    waysOn,

    async prepare() {
      for (const ageGroup of AGE_GROUPS) {
        await nextTurn()
        retrieval.prepare(ageGroup)
      }
    },

    greet({ topic, ageGroup, childName, map, heardBefore, spark }) {
      const opening = curriculum.opening(topic, ageGroup)
      const greeting = spark ? (curriculum.phrases.spark[ageGroup][0] as string) : heardBefore.size > 0 ? opening.again : opening.first
      const sentences = [...sentencesOf(greeting).map((sentence) => sentence.trim()), ...(spark ? [spark.question] : [])]
      const hasTalked = map.progress.size > 0
      if (!hasTalked) sentences.splice(-1, 0, curriculum.phrases.read_along[ageGroup][0] as string)
      const text = sentences.join(' ').split('{name}').join(childName)
      const first = spark?.topic === topic ? spark.leadsTo : opening.leadsTo
      return { text, choices: nextChoices(curriculum, { topic, ageGroup, map, told: new Set(), heardBefore, first, here: undefined }) }
    },

    async *aside(turn, kind) {
      const said = phrase(kind, turn)
      for (const text of sentencesOf(
        said.sentences
          .join('')
          .replace('{contact}', turn.crisisContact ?? '')
          .trim(),
      ))
        yield spoken(text)
      yield { choices: waysOn(turn, said), signals: { ...SPEAKER, onTopic: false, passage: undefined } }
    },

    async *reply(turn, signal) {
      const told = answer(turn)
      for (const [index, text] of told.sentences.entries()) {
        if (index > 0 && paceMs > 0) await delay(paceMs, undefined, { signal })
        yield spoken(text)
      }
      const { onTopic, passage, answersSpark } = told
      yield { choices: waysOn(turn, told), signals: { ...SPEAKER, onTopic, passage, answersSpark } }
    },
  }
}
