import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import { AGE_GROUPS, type AgeGroup } from '../../../src/family/age-groups.ts'
import type { Curriculum } from '../../../src/learning/curriculum/curriculum.ts'
import type { Retrieval } from '../../../src/learning/tutor/retrieval.ts'

const Labelled = z.array(
  z.strictObject({
    /** Slug of the topic the talk is about. */
    topic: z.string(),
    age: z.enum(AGE_GROUPS),
    ask: z.string().min(1),
    /** Passages that answer it, in the child's age group: "id" of the topic at hand or "topic/id". None: nobody answers it. */
    answers: z.array(z.string()).default([]),
  }),
)
export type LabelledQuestion = z.infer<typeof Labelled>[number]

const read = (name: string): LabelledQuestion[] => Labelled.parse(parse(readFileSync(new URL(name, import.meta.url), 'utf8')))
export const ANSWERABLE = read('questions.yaml')
export const UNANSWERABLE = read('unanswerable.yaml')

/** Every third question of the answerable is never looked at while the search is tuned. */
export const isHeldOut = (index: number): boolean => index % 3 === 2

/** The same questions in a talk about a topic that has nothing to do with them. */
export function elsewhere(curriculum: Curriculum, questions: readonly LabelledQuestion[]): LabelledQuestion[] {
  return questions.map((question, index) => {
    const own = curriculum.topics.find((topic) => topic.slug === question.topic)
    const far = curriculum.topics.filter((topic) => topic !== own && !own?.connections.some((connection) => connection.topic === topic))
    const answers = question.answers.map((answer) => (answer.includes('/') ? answer : `${question.topic}/${answer}`))
    return { ...question, topic: (far[(index * 7) % far.length] ?? own)?.slug ?? question.topic, answers }
  })
}

/** Shares of the questions, 0..1. */
export interface Figures {
  readonly questions: number
  /** A right passage is ranked first, or among the first three. */
  readonly first: number
  readonly firstThree: number
  /** The tutor answers with a right passage; with a wrong one; or says that it does not know. */
  readonly answered: number
  readonly misled: number
  readonly unknown: number
  readonly misses: readonly string[]
}

export const keyOf = (answer: string, topic: string, age: AgeGroup): string =>
  answer.includes('/') ? answer.replace('/', `/${age}/`) : `${topic}/${age}/${answer}`

/** Asks every question in a talk about its topic, on a map where nothing is restricted. */
export function evaluate(curriculum: Curriculum, retrieval: Retrieval, questions: readonly LabelledQuestion[]): Figures {
  const counts = { first: 0, firstThree: 0, answered: 0, misled: 0, unknown: 0 }
  const misses: string[] = []
  for (const { topic: slug, age, ask, answers } of questions) {
    const topic = curriculum.topics.find((candidate) => candidate.slug === slug)
    if (!topic) throw new Error(`"${ask}" is about the unknown topic "${slug}"`)
    const right = new Set(answers.map((answer) => keyOf(answer, slug, age)))
    const { passages, isSure } = retrieval.search(ask, age, topic, () => true)
    const found = passages.map((passage) => passage.key)
    const isFirst = right.has(found[0] ?? '')
    if (isFirst) counts.first += 1
    if (found.slice(0, 3).some((key) => right.has(key))) counts.firstThree += 1
    counts[!isSure ? 'unknown' : isFirst ? 'answered' : 'misled'] += 1
    if (answers.length > 0 ? !isFirst : isSure)
      misses.push(`${slug}/${age} "${ask}": ${found.slice(0, 3).join(', ')}; right: ${[...right].join(', ') || 'none'}`)
  }
  const share = (count: number) => count / questions.length
  return {
    questions: questions.length,
    first: share(counts.first),
    firstThree: share(counts.firstThree),
    answered: share(counts.answered),
    misled: share(counts.misled),
    unknown: share(counts.unknown),
    misses,
  }
}
