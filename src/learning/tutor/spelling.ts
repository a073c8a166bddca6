import { doubleMetaphone } from 'double-metaphone'
import { distance } from 'fastest-levenshtein'

/** A word of the vocabulary that a misspelt one may stand for, and how likely, 0..1. */
export interface Correction {
  readonly word: string
  readonly certainty: number
}

export interface Spelling {
  /** The likeliest words for one that is not in the vocabulary, best first; none when nothing is near. */
  correct(word: string): readonly Correction[]
  /** The two words of the vocabulary that a word is made of ("blackhole"); undefined when it is not. */
  split(word: string): readonly [string, string] | undefined
}

const SHORTEST = 4
const MOST_CORRECTIONS = 4
const SHORTEST_PART = 3
const ONE_SLIP = 0.85
const SOUNDS_ALIKE = 0.8
const TWO_SLIPS = 0.6
const SLIP_THAT_SOUNDS_ALIKE = 0.9
const LONGEST = 30

/** How many letters may be wrong: one, and two in long words. */
const slipsAllowed = (term: string): number => (term.length < SHORTEST ? 0 : term.length < 8 ? 1 : 2)

/** Letters added, dropped or changed; two neighbours that changed places are one slip (Damerau, 1964). */
function slipsBetween(a: string, b: string): number {
  const slips = distance(a, b)
  if (slips !== 2 || a.length !== b.length) return slips
  const at = [...a].findIndex((letter, index) => letter !== b[index])
  return a[at] === b[at + 1] && a[at + 1] === b[at] && a.slice(at + 2) === b.slice(at + 2) ? 1 : 2
}

/** How a word sounds: one or two codes. */
export type SoundOf = (word: string) => readonly string[]

/** Double Metaphone (Philips, 2000), worked out once a word. */
export function soundsOnce(): SoundOf {
  const known = new Map<string, readonly string[]>()
  return (word) => {
    const sounds = known.get(word) ?? doubleMetaphone(word)
    if (known.size < WORDS_REMEMBERED) known.set(word, sounds)
    return sounds
  }
}
const WORDS_REMEMBERED = 20_000

/** Mends what children write by letters and by sound, from the words of a vocabulary. */
export function spellingOf(vocabulary: Iterable<string>, soundOf: SoundOf): Spelling {
  const words = new Set(vocabulary)
  /** By length and first letter, which children rarely miss. */
  const byShape = new Map<string, string[]>()
  const shapeOf = (first: string, length: number) => `${first}${length}`
  const bySound = new Map<string, string[]>()
  for (const word of words) {
    if (word.length < SHORTEST - 1) continue
    addTo(byShape, shapeOf(word.charAt(0), word.length), word)
    const [sound] = soundOf(word)
    if (sound !== undefined && sound.length > 1) addTo(bySound, sound, word)
  }
  return {
    correct(word) {
      if (word.length < SHORTEST - 1 || word.length > LONGEST || /\d/.test(word)) return []
      const slips = slipsAllowed(word)
      const found = new Map<string, number>()
      for (let length = word.length - slips; length <= word.length + slips; length += 1) {
        for (const candidate of byShape.get(shapeOf(word.charAt(0), length)) ?? []) {
          const wrong = slipsBetween(word, candidate)
          if (wrong <= slips) found.set(candidate, wrong <= 1 ? ONE_SLIP : TWO_SLIPS)
        }
      }
      for (const sound of new Set(soundOf(word))) {
        for (const candidate of bySound.get(sound) ?? []) {
          const wrong = distance(word, candidate)
          if (wrong > Math.max(word.length, candidate.length) / 2) continue
          found.set(candidate, found.has(candidate) ? SLIP_THAT_SOUNDS_ALIKE : SOUNDS_ALIKE - wrong * 0.05)
        }
      }
      return [...found]
        .map(([candidate, certainty]) => ({ word: candidate, certainty }))
        .sort((a, b) => b.certainty - a.certainty)
        .slice(0, MOST_CORRECTIONS)
    },
    split(word) {
      for (let at = word.length - SHORTEST_PART; at >= SHORTEST_PART; at -= 1) {
        const parts = [word.slice(0, at), word.slice(at)] as const
        if (parts.every((part) => words.has(part))) return parts
      }
      return undefined
    },
  }
}

function addTo(map: Map<string, string[]>, key: string, word: string): void {
  const words = map.get(key)
  if (words) words.push(word)
  else map.set(key, [word])
}
