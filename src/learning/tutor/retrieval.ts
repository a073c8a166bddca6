import MiniSearch from 'minisearch'
import { stemmer } from 'stemmer'
import type { AgeGroup } from '../../family/age-groups.ts'
import type { Curriculum, Passage, Topic } from '../curriculum/curriculum.ts'

/** Words that say how something is asked, not what about. */
const STOP_WORDS = new Set(
  (
    'a an and are as at be been but by can could did do does for from get got had has have he her him his how i if in is it its just let like may me more ' +
    'most my no not of on or our out she should so some than that the their them then there these they this those to too up us very was we were what when ' +
    'where which who whom whose why will with would you your yes please tell about know want think really ever many much dont cant isnt im whats whys hows ok okay'
  ).split(' '),
)

/** How far a passage must cover the question's words, weighted by how rare they are, to count as an answer. */
const ENOUGH_COVERAGE = 0.6
/** A word found only in the passage's text says less than one in its questions or keywords. */
const TEXT_ONLY_WEIGHT = 0.5
const FUZZY_WEIGHT = 0.8
const LONGEST_QUERY_TERMS = 24
const CANDIDATES = 40

const BOOSTS = { questions: 3, ask: 3, keywords: 2, about: 2, text: 1 }
/** For the topic at hand, its neighbours, and the rest. */
const DISTANCE_BOOSTS = [1.5, 1.2, 1]

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

const wordsIn = (text: string): string[] => text.match(/[\p{L}\p{N}][\p{L}\p{N}\p{M}'’]*/gu) ?? []

const normalize = (word: string): string =>
  word
    .normalize('NFKD')
    .replace(/\p{M}|['’]/gu, '')
    .toLowerCase()

function termOf(word: string): string | null {
  const plain = normalize(word)
  return plain.length === 0 || STOP_WORDS.has(plain) ? null : stemmer(plain)
}

/** The telling words of a question, stemmed, each once. */
function termsOf(question: string): string[] {
  const terms = wordsIn(question)
    .map(termOf)
    .filter((term) => term !== null)
  return [...new Set(terms)].slice(0, LONGEST_QUERY_TERMS)
}

interface Indexed {
  readonly index: MiniSearch<Passage>
  /** Passages by the questions and choices that were written for them. */
  readonly written: ReadonlyMap<string, readonly Passage[]>
  readonly idf: (term: string) => number
}

/** `termOf` that works each word out once: the passages say the same few thousand words again and again. */
function termsByWord(): (word: string) => string | null {
  const known = new Map<string, string | null>()
  return (word) => {
    let term = known.get(word)
    if (term === undefined) {
      term = termOf(word)
      known.set(word, term)
    }
    return term
  }
}

function indexOf(passages: readonly Passage[], termFor: (word: string) => string | null): Indexed {
  const index = new MiniSearch<Passage>({
    idField: 'key',
    fields: Object.keys(BOOSTS),
    extractField: (passage, field) => {
      if (field === 'text') return passage.sentences.join('')
      const value = passage[field as keyof Passage]
      return Array.isArray(value) ? value.join(' ') : String(value)
    },
    tokenize: wordsIn,
    processTerm: termFor,
  })
  index.addAll(passages)
  const documents = new Map<string, number>()
  for (const passage of passages) {
    const words = [passage.sentences.join(''), passage.ask, passage.about, ...passage.questions, ...passage.keywords].flatMap(wordsIn)
    for (const term of new Set(words.map(termFor))) if (term !== null) documents.set(term, (documents.get(term) ?? 0) + 1)
  }
  return { index, written: writtenFor(passages), idf: (term) => Math.log(1 + passages.length / (1 + (documents.get(term) ?? 0))) }
}

const plainWords = (text: string): string => wordsIn(text).map(normalize).join(' ')

function writtenFor(passages: readonly Passage[]): Map<string, Passage[]> {
  const written = new Map<string, Passage[]>()
  for (const passage of passages) {
    for (const words of new Set([passage.ask, ...passage.questions].map(plainWords))) written.set(words, [...(written.get(words) ?? []), passage])
  }
  return written
}

/** Ranked full-text search over the passages of each age group, in memory. */
export function passageRetrieval(curriculum: Curriculum): Retrieval {
  const termFor = termsByWord()
  const indexes = new Map<AgeGroup, Indexed>()
  function indexFor(ageGroup: AgeGroup): Indexed {
    let indexed = indexes.get(ageGroup)
    if (!indexed) {
      const passages = curriculum.topics.flatMap((topic) => curriculum.passagesOf(topic, ageGroup))
      indexed = indexOf(passages, termFor)
      indexes.set(ageGroup, indexed)
    }
    return indexed
  }

  return {
    prepare: (ageGroup) => void indexFor(ageGroup),
    isEmpty: (question) => wordsIn(question).length === 0,
    search(question, ageGroup, topic, allowed) {
      const terms = termsOf(question)
      const { index, written, idf } = indexFor(ageGroup)
      const nextDoor = new Set(topic.connections.map((connection) => connection.topic.id))
      const distance = (passage: Passage) => (passage.topic === topic ? 0 : nextDoor.has(passage.topic.id) ? 1 : 2)
      const exact = (written.get(plainWords(question)) ?? []).filter((passage) => allowed(passage.topic)).toSorted((a, b) => distance(a) - distance(b))
      const found = exact.map((passage) => ({ passage, coverage: 1 }))
      const total = terms.reduce((sum, term) => sum + idf(term), 0)
      if (total === 0) return found
      const results = index.search(terms.join(' '), {
        boost: BOOSTS,
        processTerm: (term) => term,
        prefix: (term) => term.length >= 5,
        fuzzy: (term) => (term.length >= 5 ? 1 : false),
        boostDocument: (key) => {
          const passage = curriculum.passage(key)
          if (!passage || !allowed(passage.topic)) return 0
          return DISTANCE_BOOSTS[distance(passage)] as number
        },
      })
      const ranked = results
        .slice(0, CANDIDATES)
        .map((result) => {
          const covered = terms.reduce((sum, term) => sum + idf(term) * coverageOf(term, result.match), 0)
          return { passage: curriculum.passage(result.id) as Passage, coverage: covered / total, rank: (covered / total) ** 2 * result.score }
        })
        .filter((finding) => finding.coverage >= ENOUGH_COVERAGE)
        .sort((a, b) => b.rank - a.rank)
        .map(({ passage, coverage }) => ({ passage, coverage }))
      return [...found, ...ranked.filter((finding) => !exact.includes(finding.passage))]
    },
  }
}

/** How well a result's matched terms cover one term of the question: 1 for the same word in a telling field. */
function coverageOf(term: string, match: Readonly<Record<string, readonly string[]>>): number {
  let best = 0
  for (const [matched, fields] of Object.entries(match)) {
    const weight = fields.some((field) => field !== 'text') ? 1 : TEXT_ONLY_WEIGHT
    if (matched === term) best = Math.max(best, weight)
    else if (isClose(matched, term)) best = Math.max(best, weight * FUZZY_WEIGHT)
  }
  return best
}

/** Whether one term begins with the other or differs from it by one letter added, dropped or changed. */
function isClose(a: string, b: string): boolean {
  const [short, long] = a.length <= b.length ? [a, b] : [b, a]
  if (short.length < 4 || long.length - short.length > 3) return false
  if (long.startsWith(short)) return true
  if (long.length - short.length > 1) return false
  let start = 0
  while (start < short.length && short[start] === long[start]) start += 1
  const rest = short.slice(short.length === long.length ? start + 1 : start)
  return long.slice(start + 1) === rest
}
