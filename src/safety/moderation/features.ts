import type { Folded } from './folding.ts'

/** Features are hashed into so many places, few enough for a table while training. */
export const FEATURE_PLACES = 2 ** 21
const CHARACTERS = [3, 4, 5] as const
const LONGEST_GRAM = 5
/** More of a text is not looked at: a turn is at most 1,000 characters. */
const MOST_WORDS = 250

/** FNV-1a, 32 bit. */
function hash(text: string, seed: number): number {
  let value = 0x811c9dc5 ^ seed
  for (let at = 0; at < text.length; at += 1) {
    value ^= text.charCodeAt(at)
    value = Math.imul(value, 0x01000193)
  }
  return value >>> 0
}

/** How far apart two words may stand whose classes are seen together. */
const CLASS_REACH = 5
/** Classes a word may belong to. */
export type ClassesOf = (single: string) => readonly string[]

/** A hash of a word, for sets of words that need not be read again. */
export const wordHash = (single: string): number => hash(single, 7)

/**
 * What a linear model sees of a text: its words, pairs of words near each other, the letters within words, and how
 * long its numbers are. Words that are not common stand for themselves and for "an uncommon word", as names do.
 */
export function featuresOf(folded: Folded, isCommon: (single: string) => boolean, classesOf: ClassesOf): Set<number> {
  const found = new Set<number>()
  const add = (kind: number, text: string) => void found.add(hash(text, kind) % FEATURE_PLACES)
  const words = folded.line.trim().split(' ').slice(0, MOST_WORDS).filter(Boolean)
  const shapes = words.map((word) => (/^\d+$/.test(word) ? `#${Math.min(word.length, 6)}` : /\d/.test(word) ? '#a' : isCommon(word) ? word : '?'))
  words.forEach((word, at) => {
    add(1, word)
    const shape = shapes[at] as string
    if (shape !== word) add(2, shape)
    for (const [kind, ahead] of [
      [3, 1],
      [4, 2],
    ] as const) {
      const next = words[at + ahead]
      if (next === undefined) continue
      add(kind, `${word} ${next}`)
      if (shape !== word || shapes[at + ahead] !== next) add(kind, `${shape} ${shapes[at + ahead]}`)
    }
    const third = shapes[at + 2]
    if (third !== undefined) add(5, `${shape} ${shapes[at + 1]} ${third}`)
    const marked = `<${word}>`
    for (const length of CHARACTERS) for (let from = 0; from + length <= marked.length; from += 1) add(6, marked.slice(from, from + length))
  })
  if (words.length > 0) {
    add(8, `^ ${shapes[0]}`)
    add(8, `${shapes[shapes.length - 1]} $`)
    add(8, `^ ${shapes[0]} ${shapes[1] ?? '$'}`)
  }
  addClasses(words.map(classesOf), words, add)
  // What was run together or taken apart.
  const joined = words.join('')
  for (let from = 0; from + LONGEST_GRAM + 1 <= joined.length; from += 1) add(7, joined.slice(from, from + LONGEST_GRAM + 1))
  return found
}

/** Classes of words, and which follow which within reach: alone, with the word itself, and three in a row. */
function addClasses(classes: readonly (readonly string[])[], words: readonly string[], add: (kind: number, text: string) => void): void {
  classes.forEach((own, at) => {
    for (const first of own) {
      add(9, first)
      const behind = Math.min(classes.length, at + 1 + CLASS_REACH)
      for (let next = at + 1; next < behind; next += 1) {
        add(11, `${first} ${words[next]}`)
        for (const second of classes[next] as readonly string[]) {
          add(10, `${first} ${second}`)
          if (next === at + 1) add(12, `${first} ${second} +`)
        }
      }
      const before = Math.max(0, at - CLASS_REACH)
      for (let previous = before; previous < at; previous += 1) add(13, `${words[previous]} ${first}`)
    }
  })
}
