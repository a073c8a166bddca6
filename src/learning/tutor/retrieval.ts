import MiniSearch from 'minisearch'
import type { AgeGroup } from '../../family/age-groups.ts'
import type { Curriculum, Passage, Topic } from '../curriculum/curriculum.ts'
import { type SoundOf, type Spelling, soundsOnce, spellingOf } from './spelling.ts'
import { type Terms, termsWith, type Word } from './terms.ts'

/** How much of what the child asks a passage must cover, words weighted by how rare they are, to count as an answer. */
export const ENOUGH_COVERAGE = 0.6
const LONGEST_QUERY_TERMS = 24
const CANDIDATES = 60

/** Where a term stands says how much it tells of the passage. */
const FIELDS = { said: 3, text: 1 } as const
const TEXT_ONLY_WEIGHT = 0.7
/** What a "why" or "how many" weighs beside a word that is in one passage of ten. */
const FRAME_WEIGHT = 0.8
const LIGHT_WEIGHT = +0.4
/** Parts of the rank: likeness to one written question, coverage by the passage, its full-text score; and for the topic at hand, its neighbours, the rest. */
const WEIGHTS = { question: 1, coverage: 0.6, score: 0.3 }
const NEARNESS = [0.4, 0.15, 0]

export interface Finding {
  readonly passage: Passage
  /** Share of the question's meaning that the passage covers, 0..1. */
  readonly coverage: number
}

export interface Retrieval {
  /** Indexes the passages of an age group, unless that is done. Otherwise its first question waits for it. */
  prepare(ageGroup: AgeGroup): void
  /** True when a text holds no word at all. */
  isEmpty(question: string): boolean
  /** Passages that answer a question, best first: those written for these very words, then by rank; near topics before far ones. Empty when none does. */
  search(question: string, ageGroup: AgeGroup, topic: Topic, allowed: (topic: Topic) => boolean): Finding[]
}

/** What is indexed of a passage: its terms, each once. */
interface Fields extends Record<keyof typeof FIELDS, string> {
  readonly id: string
}

/** A passage as the search sees it. */
interface Entry {
  readonly passage: Passage
  /** Numbers of the terms and frames of each question written for it. */
  readonly questions: readonly (readonly number[])[]
}

interface Indexed {
  readonly index: MiniSearch<Fields>
  readonly entries: ReadonlyMap<string, Entry>
  /** Passages by the questions and choices that were written for them. */
  readonly written: ReadonlyMap<string, readonly Passage[]>
  /** Number of a term or frame; undefined for what no passage has. */
  readonly numberOf: (term: string) => number | undefined
  /** What a term weighs: the more, the fewer passages have it. By its number; `unknownWeight` for what no passage has. */
  readonly weights: Float32Array
  readonly unknownWeight: number
  readonly spelling: Spelling
}

/** A term of the question: the terms of the passages it may stand for, and what it weighs. */
interface Asked {
  readonly meanings: readonly { readonly term: string; readonly certainty: number }[]
  readonly weight: number
}

/** The distinct terms of some words. */
function termsIn(words: readonly Word[]): Set<string> {
  const terms = new Set<string>()
  for (const { term } of words) if (term !== null) terms.add(term)
  return terms
}

const framesIn = (words: readonly Word[]): Set<string> => new Set(words.map((word) => word.frame).filter((frame) => frame !== null))

const plainText = (words: readonly Word[]): string => words.map((word) => word.plain).join(' ')

function indexOf(passages: readonly Passage[], terms: Terms, soundOf: SoundOf): Indexed {
  const numbers = new Map<string, number>()
  const documents: number[] = []
  const numberOf = (term: string): number => {
    const known = numbers.get(term)
    if (known !== undefined) return known
    numbers.set(term, documents.length)
    return documents.push(0) - 1
  }
  const entries = new Map<string, Entry>()
  const written = new Map<string, Passage[]>()
  const vocabulary = new Set<string>()
  const index = new MiniSearch<Fields>({ fields: Object.keys(FIELDS), tokenize: (joined) => joined.split(' '), processTerm: (term) => term })
  for (const passage of passages) {
    const questions = [passage.ask, ...passage.questions].map(terms.read)
    const topic = terms.read([passage.about, ...passage.keywords].join(' '))
    const told = terms.read(passage.sentences.join(''))
    for (const words of [...questions, topic, told]) for (const { plain } of words) vocabulary.add(plain)
    for (const asked of new Set(questions.map(plainText))) written.set(asked, [...(written.get(asked) ?? []), passage])
    const said = termsIn([...questions.flat(), ...topic])
    const text = termsIn(told)
    for (const term of said) documents[numberOf(term)] = (documents[numberOf(term)] as number) + 1
    for (const term of text) if (!said.has(term)) documents[numberOf(term)] = (documents[numberOf(term)] as number) + 1
    entries.set(passage.key, { passage, questions: questions.map((words) => Array.from([...termsIn(words), ...framesIn(words)], numberOf)) })
    index.add({ id: passage.key, said: [...said].join(' '), text: [...text].join(' ') })
  }
  const rarity = (count: number) => Math.log(1 + passages.length / (1 + count))
  const weights = new Float32Array(numbers.size)
  for (const [term, number] of numbers)
    weights[number] = term.startsWith('?') ? FRAME_WEIGHT : rarity(documents[number] as number) * (terms.isLight(term) ? LIGHT_WEIGHT : 1)
  return { index, entries, written, numberOf: (term) => numbers.get(term), weights, unknownWeight: rarity(0), spelling: spellingOf(vocabulary, soundOf) }
}

/** Ranked full-text search over the passages of each age group, in memory. */
export function passageRetrieval(curriculum: Curriculum): Retrieval {
  const terms = termsWith(curriculum.synonyms)
  const soundOf = soundsOnce()
  const indexes = new Map<AgeGroup, Indexed>()
  function indexFor(ageGroup: AgeGroup): Indexed {
    let indexed = indexes.get(ageGroup)
    if (!indexed) {
      indexed = indexOf(
        curriculum.topics.flatMap((topic) => curriculum.passagesOf(topic, ageGroup)),
        terms,
        soundOf,
      )
      indexes.set(ageGroup, indexed)
    }
    return indexed
  }

  return {
    prepare: (ageGroup) => void indexFor(ageGroup),
    isEmpty: (question) => terms.read(question).length === 0,
    search(question, ageGroup, topic, allowed) {
      const indexed = indexFor(ageGroup)
      const { index, entries, written } = indexed
      const nextDoor = new Set(topic.connections.map((connection) => connection.topic.id))
      const distance = (passage: Passage) => (passage.topic === topic ? 0 : nextDoor.has(passage.topic.id) ? 1 : 2)
      const mayTell = (passage: Passage) => allowed(passage.topic) && (!passage.across || allowed(passage.across))
      const words = terms.read(question)
      const exact = (written.get(plainText(words)) ?? []).filter(mayTell).toSorted((a, b) => distance(a) - distance(b))
      const found = exact.map((passage) => ({ passage, coverage: 1 }))
      const asked = askedIn(words, terms, indexed)
      const meant = [...new Set(asked.flatMap((term) => term.meanings.map((meaning) => meaning.term)))]
      if (meant.length === 0) return found
      const total = asked.reduce((sum, term) => sum + term.weight, 0)
      const results = index
        .search(meant.join(' '), {
          tokenize: (query) => query.split(' '),
          boost: FIELDS,
          filter: (result) => mayTell((entries.get(result.id) as Entry).passage),
        })
        .slice(0, CANDIDATES)
      const likenessOf = likenessTo(asked, framesIn(words), indexed)
      const ranked = results
        .map(({ id, score, match }) => {
          const entry = entries.get(id) as Entry
          const coverage = coverageOf(asked, match) / total
          const rank =
            WEIGHTS.question * likenessOf(entry) +
            WEIGHTS.coverage * coverage +
            WEIGHTS.score * (score / (results[0]?.score ?? 1)) +
            (NEARNESS[distance(entry.passage)] as number)
          return { passage: entry.passage, coverage, rank }
        })
        .filter((finding) => finding.coverage >= ENOUGH_COVERAGE)
        .sort((a, b) => b.rank - a.rank)
        .map(({ passage, coverage }) => ({ passage, coverage }))
      return [...found, ...ranked.filter((finding) => !exact.includes(finding.passage))]
    },
  }
}

/** The telling terms of a question, each once. Words that no passage has are taken for misspelt, or for two words in one. */
function askedIn(words: readonly Word[], terms: Terms, { numberOf, weights, unknownWeight, spelling }: Indexed): Asked[] {
  const asked = new Map<string, Asked>()
  const weightOf = (term: string) => weights[numberOf(term) ?? -1] ?? unknownWeight
  const add = (key: string, meanings: Asked['meanings']) => {
    if (asked.size === LONGEST_QUERY_TERMS || asked.has(key)) return
    asked.set(key, { meanings, weight: meanings.length > 0 ? Math.max(...meanings.map(({ term }) => weightOf(term))) : unknownWeight })
  }
  const termOf = (plain: string) => terms.read(plain)[0]?.term ?? null
  for (const { plain, term } of words) {
    if (term === null) continue
    const parts = numberOf(term) === undefined ? spelling.split(plain) : [plain]
    for (const part of parts ?? []) {
      const known = termOf(part)
      if (known !== null) add(known, [{ term: known, certainty: 1 }])
    }
    if (parts) continue
    const meanings = new Map<string, number>()
    for (const { word: likely, certainty } of spelling.correct(plain)) {
      const known = termOf(likely)
      if (known !== null && !meanings.has(known)) meanings.set(known, certainty)
    }
    add(
      term,
      [...meanings].map(([known, certainty]) => ({ term: known, certainty })),
    )
  }
  return [...asked.values()]
}

/** Weight of the question's terms that a passage has; less where only its text has them, or where the spelling was guessed. */
function coverageOf(asked: readonly Asked[], match: Readonly<Record<string, readonly string[]>>): number {
  const told = (term: string) => (match[term] ? (match[term].includes('said') ? 1 : TEXT_ONLY_WEIGHT) : 0)
  return asked.reduce((sum, { meanings, weight }) => sum + weight * Math.max(0, ...meanings.map(({ term, certainty }) => certainty * told(term))), 0)
}

/** The best likeness to one of the questions written for a passage, 0..1: shared weight over all weight (Dice, 1945, weighted). */
function likenessTo(asked: readonly Asked[], frames: ReadonlySet<string>, { numberOf, weights }: Indexed): (entry: Entry) => number {
  const shares = new Map<number, number>()
  for (const { meanings, weight } of asked) {
    for (const { term, certainty } of meanings) shares.set(numberOf(term) ?? -1, weight * certainty)
  }
  for (const frame of frames) shares.set(numberOf(frame) ?? -1, FRAME_WEIGHT)
  const total = asked.reduce((sum, term) => sum + term.weight, 0) + frames.size * FRAME_WEIGHT
  return ({ questions }) => {
    let best = 0
    for (const question of questions) {
      let shared = 0
      let all = total
      for (const number of question) {
        shared += Math.min(shares.get(number) ?? 0, weights[number] as number)
        all += weights[number] as number
      }
      best = Math.max(best, (2 * shared) / all)
    }
    return best
  }
}
