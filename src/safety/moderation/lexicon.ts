import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import type { Folded } from './folding.ts'
import type { Category } from './moderation.ts'

const Phrases = z.array(z.string().regex(/^[a-z0-9 ]+\*?$/, 'must be lower-case words, with * at the end at most'))
const Words = z.strictObject({
  distress: Phrases,
  violence: Phrases,
  sexual: Phrases,
  hate: Phrases,
  bullying: Phrases,
  prompt_injection: Phrases,
  conduct: Phrases,
})

export interface Lexicon {
  /** Finds what is never innocent out of a child's mouth. */
  inWordsOfChild(folded: Folded): Set<Category>
  /** Finds what a tutor never says to a child: that it is human, that something stays between them, a question for personal data. */
  inWordsOfTutor(folded: Folded): boolean
}

/** A letter that is written once may be repeated; one that is written twice must be. */
const letters = (word: string): string => word.replace(/([a-z])(\1?)/g, (_run, letter, twice) => (twice ? `${letter}{2,}` : `${letter}+`))

const patternOf = (phrases: readonly string[]): RegExp =>
  new RegExp(` (?:${phrases.map((phrase) => letters(phrase.replace('*', '')) + (phrase.endsWith('*') ? '[a-z]*' : '')).join('|')}) `)
const lineOf = (folded: Folded): string => ` ${folded.words.map((word) => word.plain).join(' ')} `

/** Reads words.yaml. Throws when it has faults. */
export function loadLexicon(): Lexicon {
  const { conduct, ...words } = Words.parse(parse(readFileSync(new URL('../content/words.yaml', import.meta.url), 'utf8')))
  const patterns = Object.entries(words).map(([category, phrases]) => [category as Category, patternOf(phrases)] as const)
  const misconduct = patternOf(conduct)
  return {
    inWordsOfChild(folded) {
      const line = lineOf(folded)
      return new Set(patterns.filter(([, pattern]) => pattern.test(line)).map(([category]) => category))
    },
    inWordsOfTutor: (folded) => misconduct.test(lineOf(folded)),
  }
}
