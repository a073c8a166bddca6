import { type Spelling, soundsOnce, spellingOf } from './spelling.ts'
import { type Terms, UNKNOWN, type Word } from './terms.ts'
import { toUnit, type WordVectors } from './word-vectors.ts'

/** What a word may stand for, and how likely, 0..1. */
export interface Meaning {
  readonly number: number
  readonly row: number
  readonly certainty: number
}

/** A word as it was understood: what it may stand for, likeliest first. A word spelt well stands for itself. */
export interface Heard {
  readonly word: Word
  readonly meanings: readonly Meaning[]
}

/** Understands what children write. */
export interface Hearing {
  /** The words of a text, misspelt ones mended, words run together taken apart. */
  hear(text: string): Heard[]
  /** What they mean together, as a unit vector. */
  meaningOf(heard: readonly Heard[]): Float32Array
}

/** Commoner words than this are what they are, even if no passage has them. */
const COMMON_ROWS = 6_000
/** Rarer ones in the list may still be slips of a child: "hart" for "heart". */
const RARE_WORD_DOUBT = 0.8
/** Unless they are one slip from a word of ours that sounds the same. */
const SOUNDS_LIKE_IT = 0.9
const LONGEST_QUESTION_WORDS = 60

/** Understands by the words that have been learned, towards which misspelt ones are mended, and the commonest of English. */
export function hearingWith(terms: Terms, vectors: WordVectors): Hearing {
  let spelling: { readonly from: number; readonly mend: Spelling } | undefined
  const soundOf = soundsOnce()
  function mend(): Spelling {
    if (spelling?.from !== terms.size()) {
      spelling = { from: terms.size(), mend: spellingOf([...terms.learned(), ...vectors.words.slice(0, COMMON_ROWS)], soundOf) }
    }
    return spelling.mend
  }
  const itself = (word: Word, certainty = 1): Heard => ({ word, meanings: [{ number: word.number, row: word.row, certainty }] })

  function hearWord(word: Word): Heard[] {
    if (word.kind !== 'telling' || terms.find(word.plain) || (word.row !== UNKNOWN && word.row < COMMON_ROWS)) return [itself(word)]
    const isRare = word.row !== UNKNOWN
    const parts = isRare ? undefined : mend().split(word.plain)
    if (parts) return parts.flatMap((part) => terms.read(part)).map((part) => itself(part))
    const corrections = mend()
      .correct(word.plain)
      .flatMap(({ word: likely, certainty }) =>
        terms.read(likely).map((mended) => ({ mended, certainty: isRare && certainty < SOUNDS_LIKE_IT ? certainty * RARE_WORD_DOUBT : certainty })),
      )
      .filter(({ mended }) => mended.kind === 'telling')
      .map(({ mended, certainty }) => ({ number: mended.number, row: mended.row, certainty }))
    const own = isRare || word.number !== UNKNOWN ? [{ number: word.number, row: word.row, certainty: RARE_WORD_DOUBT }] : []
    const meanings = [...own, ...corrections].sort((a, b) => b.certainty - a.certainty)
    return [{ word, meanings }]
  }

  /** Two words that are one when put together: "quick sand". */
  function joined(words: readonly Word[]): Word[] {
    const whole: Word[] = []
    for (let at = 0; at < words.length; at += 1) {
      const word = words[at] as Word
      const next = words[at + 1]
      const both = word.kind === 'telling' && next?.kind === 'telling' ? terms.find(word.plain + next.plain) : undefined
      if (both && next && !(terms.find(word.plain) && terms.find(next.plain))) at += 1
      whole.push(both && at < words.length && words[at] === next ? both : word)
    }
    return whole
  }

  return {
    hear: (text) => joined(terms.read(text).slice(0, LONGEST_QUESTION_WORDS)).flatMap(hearWord),
    meaningOf(heard) {
      const sum = new Float32Array(vectors.dimensions)
      for (const { meanings } of heard) {
        const best = meanings.find((meaning) => meaning.row !== UNKNOWN)
        if (best) vectors.add(best.row, best.certainty, sum)
      }
      return toUnit(sum)
    },
  }
}
