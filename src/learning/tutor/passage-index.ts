import type { Passage } from '../curriculum/curriculum.ts'
import type { Heard } from './hearing.ts'
import { type PassageLists, unpacked } from './passage-lists.ts'
import { type Terms, UNKNOWN, type Word } from './terms.ts'
import type { WordVectors } from './word-vectors.ts'

/** A word found only in a passage's text says less than one in its questions or keywords. */
const TEXT_ONLY_WEIGHT = 0.7
/** What a "why" or "how many" weighs beside a word that is in one passage of ten. */
const ASKING_WEIGHT = 0.8
/** What a word of questions about anything weighs beside one as rare. */
const LIGHT_WEIGHT = 0.4

/** How much the words of one sentence have in common on the whole (mean cosine): what makes its vector longer than theirs would be at right angles. */
const RELATED = 0.2
/** The passages that look best by that estimate are measured exactly. */
const MEASURED = 40

/** How a question and a passage agree; each 0..1. */
export interface Agreement {
  readonly passage: Passage
  /** In meaning, with the nearest question written for the passage (cosine). */
  readonly question: number
  /** In meaning, with the passage as a whole (cosine). */
  readonly whole: number
  /** In words, with the nearest question: shared weight over all weight (Dice, 1945, weighted). */
  readonly likeness: number
  /** The share of the question's words, by weight, that the passage has. */
  readonly coverage: number
}

export interface PassageIndex {
  /** Whether the question was written for the passage word by word. */
  isWrittenFor(passage: Passage, heard: readonly Heard[]): boolean
  /** Compares a question with every passage; gives how it agrees with those that may be told and agree best. */
  agreements(heard: readonly Heard[], meaning: Float32Array): (mayTell: (passage: Passage) => boolean) => Agreement[]
}

const plainText = (words: readonly Word[]): string => words.map((word) => word.plain).join(' ')

/** The indexes of the highest values that may be taken, at most so many, highest first; of equal ones the earlier. */
function highest(values: readonly number[], most: number, mayTake: (index: number) => boolean): number[] {
  const taken: number[] = []
  const valueAt = (rank: number) => values[taken[rank] as number] as number
  for (const [index, value] of values.entries()) {
    if (taken.length === most && value <= valueAt(most - 1)) continue
    if (!mayTake(index)) continue
    let rank = Math.min(taken.length, most - 1)
    while (rank > 0 && valueAt(rank - 1) < value) rank -= 1
    taken.splice(rank, 0, index)
    taken.length = Math.min(taken.length, most)
  }
  return taken
}

/** Indexes passages by their words, as listed, and by what they mean. */
export function indexPassages(
  passages: readonly Passage[],
  { flat, ends, wholes, postings: posted }: PassageLists,
  terms: Terms,
  vectors: WordVectors,
): PassageIndex {
  const postings = unpacked(posted)
  const rarity = (count: number) => Math.log(1 + passages.length / (1 + count))
  const unknownWeight = rarity(0)
  /** What a word weighs, by how few passages have it; and in meaning, by how rare it is in English. */
  const weights = new Float32Array(terms.size()).fill(ASKING_WEIGHT)
  const meaningWeights = new Float32Array(terms.size())
  postings.forEach((places, number) => {
    if (places.length === 0) return
    weights[number] = rarity(places.length) * (terms.isLight(number) ? LIGHT_WEIGHT : 1)
    const row = terms.rowOf(number)
    if (row !== UNKNOWN) meaningWeights[number] = vectors.weightOf(row)
  })
  const startOf = (list: number): number => (list === 0 ? 0 : (ends[list - 1] as number))
  const estimates = Float32Array.from(ends, (end, list) => {
    let sum = 0
    let squares = 0
    for (let at = startOf(list); at < end; at += 1) {
      const weight = meaningWeights[flat[at] as number] as number
      sum += weight
      squares += weight * weight
    }
    return Math.sqrt(squares + RELATED * (sum * sum - squares)) || 1
  })
  /** What the words of each list weigh together. */
  const listWeights = Float64Array.from(ends, (end, list) => {
    let sum = 0
    for (let at = startOf(list); at < end; at += 1) sum += weights[flat[at] as number] as number
    return sum
  })
  const lengths = new Float32Array(ends.length)
  /** The length of the sum of a list's vectors; worked out when first asked for. */
  function lengthOf(list: number): number {
    if (lengths[list] === 0) {
      const sum = new Float32Array(vectors.dimensions)
      for (let at = startOf(list); at < (ends[list] as number); at += 1) {
        const row = terms.rowOf(flat[at] as number)
        if (row !== UNKNOWN && meaningWeights[flat[at] as number] !== 0) vectors.add(row, 1, sum)
      }
      lengths[list] = Math.sqrt(sum.reduce((squares, part) => squares + part * part, 0)) || 1
    }
    return lengths[list] as number
  }

  /** Telling words, each once, with the meanings that some passage has. */
  function askedIn(heard: readonly Heard[]): { readonly meanings: Heard['meanings']; readonly weight: number }[] {
    const asked = new Map<string, Heard>()
    for (const one of heard) if (one.word.kind === 'telling') asked.set(one.word.number === UNKNOWN ? one.word.plain : String(one.word.number), one)
    return [...asked.values()].map(({ meanings }) => {
      const known = meanings.filter((each) => (postings[each.number]?.length ?? 0) > 0)
      return { meanings: known, weight: known.length > 0 ? Math.max(...known.map((each) => weights[each.number] as number)) : unknownWeight }
    })
  }

  const meaningful = Int32Array.from(meaningWeights.keys()).filter((number) => meaningWeights[number] !== 0)
  /** Of a direction, in fours. */
  const stride = Math.ceil(vectors.dimensions / 4) * 4
  const directions = new Float32Array(meaningful.length * stride)
  meaningful.forEach((number, index) => {
    vectors.add(terms.rowOf(number), 1, directions.subarray(index * stride, index * stride + vectors.dimensions))
  })
  /** What each word adds to the cosine of a list that has it. */
  function cosinesOf(meant: Float32Array): Float32Array {
    const cosines = new Float32Array(weights.length)
    const towards = new Float32Array(stride)
    towards.set(meant)
    for (let index = 0, at = 0; index < meaningful.length; index += 1) {
      // Four sums, none of which waits for another: two thirds of the time.
      let a = 0
      let b = 0
      let c = 0
      let d = 0
      for (let part = 0; part < stride; part += 4, at += 4) {
        a += (directions[at] as number) * (towards[part] as number)
        b += (directions[at + 1] as number) * (towards[part + 1] as number)
        c += (directions[at + 2] as number) * (towards[part + 2] as number)
        d += (directions[at + 3] as number) * (towards[part + 3] as number)
      }
      cosines[meaningful[index] as number] = a + b + c + d
    }
    return cosines
  }

  // No closure may hold the numbers that change within: the engine would keep each on the heap.
  function estimated(place: number, shares: Float32Array, cosines: Float32Array, asks: number): Omit<Agreement, 'passage' | 'coverage'> {
    const whole = wholes[place] as number
    const first = place === 0 ? 0 : (wholes[place - 1] as number) + 1
    let question = 0
    let likeness = 0
    let cosine = 0
    let at = startOf(first)
    for (let list = first; list <= whole; list += 1) {
      const end = ends[list] as number
      let shared = 0
      cosine = 0
      for (; at < end; at += 1) {
        const number = flat[at] as number
        shared += shares[number] as number
        cosine += cosines[number] as number
      }
      cosine /= estimates[list] as number
      if (list === whole) break
      likeness = Math.max(likeness, (2 * shared) / (asks + (listWeights[list] as number)))
      question = Math.max(question, cosine)
    }
    return { question, whole: Math.max(0, cosine), likeness }
  }

  function measured(place: number, cosines: Float32Array): Pick<Agreement, 'question' | 'whole'> {
    const cosineOf = (list: number) => {
      let sum = 0
      for (let at = startOf(list); at < (ends[list] as number); at += 1) sum += cosines[flat[at] as number] as number
      return sum / lengthOf(list)
    }
    const whole = wholes[place] as number
    let question = 0
    for (let list = place === 0 ? 0 : (wholes[place - 1] as number) + 1; list < whole; list += 1) question = Math.max(question, cosineOf(list))
    return { question, whole: Math.max(0, cosineOf(whole)) }
  }

  return {
    isWrittenFor(passage, heard) {
      const asked = plainText(heard.map((one) => one.word))
      return [passage.ask, ...passage.questions].some((question) => plainText(terms.read(question)) === asked)
    },

    agreements(heard, meant) {
      const asked = askedIn(heard)
      const asking = new Set(
        heard
          .map((one) => one.word)
          .filter((word) => word.kind === 'asking')
          .map((word) => word.number),
      )
      const total = asked.reduce((sum, term) => sum + term.weight, 0)
      const covered = new Float32Array(passages.length)
      const shares = new Float32Array(weights.length)
      for (const number of asking) shares[number] = ASKING_WEIGHT
      for (const { meanings, weight } of asked) {
        const best = new Map<number, number>()
        for (const { number, certainty } of meanings) {
          shares[number] = Math.min(weight * certainty, weights[number] as number)
          for (const place of postings[number] as Int32Array)
            best.set(place >> 1, Math.max(best.get(place >> 1) ?? 0, weight * certainty * (place & 1 ? TEXT_ONLY_WEIGHT : 1)))
        }
        for (const [place, share] of best) covered[place] = (covered[place] as number) + share
      }
      const asks = total + asking.size * ASKING_WEIGHT
      const cosines = cosinesOf(meant)

      const near = passages.map((_, place) => estimated(place, shares, cosines, asks))
      const coverageOf = (place: number) => (total > 0 ? (covered[place] as number) / total : 0)
      const sums = near.map(({ question, whole, likeness }, place) => question + whole + likeness + coverageOf(place))
      return (mayTell) =>
        highest(sums, MEASURED, (place) => mayTell(passages[place] as Passage)).map((place) => {
          const { likeness } = near[place] as { likeness: number }
          return { passage: passages[place] as Passage, likeness, coverage: coverageOf(place), ...measured(place, cosines) }
        })
    },
  }
}
