import { readFileSync } from 'node:fs'
import { daleChall } from 'dale-chall'
import wordListPath from 'word-list'
import { z } from 'zod'
import { checkShape, readSource } from './source-file.ts'

const FILE = 'childrens-words.yaml'
const WordGroups = z.record(z.string(), z.array(z.string().regex(/^[a-z'-]+$/)))

/** Regular endings; a word counts as known when what is left of it is in the list (Chall and Dale, 1995). */
const ENDINGS: readonly (readonly [RegExp, string])[] = [
  [/'(s|ll|re|ve|d|m)$/, ''],
  [/s'$/, 's'],
  [/n't$/, ''],
  [/s$/, ''],
  [/es$/, ''],
  [/ies$/, 'y'],
  [/(ed|ing|er|est|ly|y)$/, ''],
  [/(ed|ing|er|est|y)$/, 'e'],
  [/(.)\1(ed|ing|er|est|y)$/, '$1'],
  [/(ied|ier|iest|ily)$/, 'y'],
]

const SHORTEST_STEM = 4

export interface Vocabulary {
  /** Whether a child of four to six knows the word: it or its stem stands in the list. */
  knows(word: string): boolean
  /** Forms of one word share a stem: "planets" and "planet". */
  stemsOf(word: string): ReadonlySet<string>
  /** Whether a dictionary of English has the word, so that it is not a slip of the pen. */
  isEnglish(word: string): boolean
}

/** Words a young child knows: the Dale-Chall list and childrens-words.yaml. Throws when that file has faults. */
export function childrensVocabulary(): Vocabulary {
  const checked = checkShape(readSource(FILE, readFileSync(new URL(FILE, import.meta.url), 'utf8')), WordGroups)
  if (!checked.value) throw new Error(checked.faults.map((fault) => `${fault.file}:${fault.line} ${fault.message}`).join('\n'))
  const known = new Set([...daleChall, ...Object.values(checked.value).flat()].map((word) => word.toLowerCase()))
  const remembered = new Map<string, ReadonlySet<string>>()
  const stemsOf = (word: string): ReadonlySet<string> => {
    const stems = remembered.get(word) ?? stemsIn(word)
    remembered.set(word, stems)
    return stems
  }
  const dictionary = new Set(readFileSync(wordListPath, 'utf8').split('\n'))
  return {
    stemsOf,
    isEnglish: (word) => [...stemsOf(word)].some((stem) => dictionary.has(stem)),
    knows: (word) =>
      /^\d/.test(word) || [...stemsOf(word)].some((stem) => known.has(stem)) || word.split('-').every((part) => part !== word && known.has(part.toLowerCase())),
  }
}

/** The word and what is left of it when one regular ending is taken off, and then another ("farmers'"). */
function stemsIn(word: string): ReadonlySet<string> {
  const whole = word.toLowerCase().replaceAll('’', "'")
  const once = ENDINGS.map(([ending, rest]) => whole.replace(ending, rest))
  const twice = once.filter((stem) => stem.length >= SHORTEST_STEM).flatMap((stem) => ENDINGS.map(([ending, rest]) => stem.replace(ending, rest)))
  return new Set([whole, ...once, ...twice])
}
