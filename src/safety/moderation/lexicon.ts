import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import type { Folded } from './folding.ts'
import type { Category } from './moderation.ts'

const Phrase = z.string().regex(/^[a-z0-9 ]+\*?$/, 'must be lower-case words, with * at the end at most')
const Words = z.strictObject({
  distress: z.array(Phrase),
  violence: z.array(Phrase),
  sexual: z.array(Phrase),
  hate: z.array(Phrase),
  bullying: z.array(Phrase),
  prompt_injection: z.array(Phrase),
})

/** Finds words that are never innocent. */
export type Lexicon = (folded: Folded) => Set<Category>

/** A letter that is written once may be repeated; one that is written twice must be. */
const letters = (word: string): string => word.replace(/([a-z])(\1?)/g, (_run, letter, twice) => (twice ? `${letter}{2,}` : `${letter}+`))

/** Reads words.yaml. Throws when it has faults. */
export function loadLexicon(): Lexicon {
  const words = Words.parse(parse(readFileSync(new URL('../content/words.yaml', import.meta.url), 'utf8')))
  const patterns = Object.entries(words).map(([category, phrases]) => {
    const sources = phrases.map((phrase) => letters(phrase.replace('*', '')) + (phrase.endsWith('*') ? '[a-z]*' : ''))
    return [category as Category, new RegExp(` (?:${sources.join('|')}) `)] as const
  })
  return (folded) => {
    const line = ` ${folded.words.map((word) => word.plain).join(' ')} `
    return new Set(patterns.filter(([, pattern]) => pattern.test(line)).map(([category]) => category))
  }
}
