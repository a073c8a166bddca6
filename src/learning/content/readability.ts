import { fleschKincaid } from 'flesch-kincaid'
import { syllable } from 'syllable'
import type { AgeGroup } from './curriculum.schema.ts'

/** Words per sentence a child of the age group reads with ease: on average, and at the very most. */
export const SENTENCE_LIMITS: Readonly<Record<AgeGroup, { average: number; longest: number }>> = {
  wonder_cubs: { average: 8, longest: 12 },
  curious_explorers: { average: 12, longest: 18 },
  mind_masters: { average: 16, longest: 24 },
}

const sentenceSegmenter = new Intl.Segmenter('en', { granularity: 'sentence' })
const wordSegmenter = new Intl.Segmenter('en', { granularity: 'word' })

/** The sentences of a text in order, trailing space kept, so that joining them gives the text back (Unicode UAX #29). */
export function sentencesOf(text: string): string[] {
  return [...sentenceSegmenter.segment(text)].map((part) => part.segment)
}

/** The words of a text; numbers count as words, punctuation does not. */
export function wordsOf(text: string): string[] {
  return [...wordSegmenter.segment(text)].filter((part) => part.isWordLike).map((part) => part.segment)
}

/** Words of each sentence. */
export function sentenceLengths(text: string): number[] {
  return sentencesOf(text)
    .map((sentence) => wordsOf(sentence).length)
    .filter((length) => length > 0)
}

/** The highest Flesch-Kincaid grade that the texts of a topic may have together, per age group. */
export const GRADE_LIMITS: Readonly<Record<AgeGroup, number>> = { wonder_cubs: 3, curious_explorers: 5, mind_masters: 7 }

/** Flesch-Kincaid grade level (Kincaid et al., 1975) of texts together; 0 without words. */
export function gradeLevel(...texts: readonly string[]): number {
  const counts = { sentence: 0, word: 0, syllable: 0 }
  for (const text of texts) {
    const words = wordsOf(text)
    counts.sentence += sentenceLengths(text).length
    counts.word += words.length
    counts.syllable += words.reduce((sum, word) => sum + syllable(word), 0)
  }
  return counts.word === 0 ? 0 : fleschKincaid(counts)
}
