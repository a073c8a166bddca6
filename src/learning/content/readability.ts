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

/** Syllables by counting vowel groups, less a silent final e: the usual estimate behind Flesch-Kincaid. */
function syllablesOf(word: string): number {
  const bare = word.toLowerCase().replace(/[^a-z]/g, '')
  if (bare.length <= 3) return 1
  const groups = bare.replace(/(?:[^laeiouy]es|[^td]ed|[^laeiouy]e)$/, '').match(/[aeiouy]+/g)
  return Math.max(1, groups?.length ?? 1)
}

/** Flesch-Kincaid grade level: 0.39 x words/sentences + 11.8 x syllables/words - 15.59 (Kincaid et al., 1975). */
export function gradeLevel(text: string): number {
  const words = wordsOf(text)
  const sentences = sentenceLengths(text).length
  if (words.length === 0 || sentences === 0) return 0
  const syllables = words.reduce((sum, word) => sum + syllablesOf(word), 0)
  return 0.39 * (words.length / sentences) + 11.8 * (syllables / words.length) - 15.59
}
