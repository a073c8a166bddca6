import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import { type ClassesOf, FEATURE_PLACES, featuresOf, wordHash } from './features.ts'
import { type Folded, single } from './folding.ts'

/** What the classifier tells apart. The last is asked only of distress: whether a caregiver is the one who hurts. */
export const OUTPUTS = ['distress', 'personal_data', 'violence', 'sexual', 'hate', 'bullying', 'prompt_injection', 'caregiver'] as const
export type Output = (typeof OUTPUTS)[number]

/** A linear model over a text's features (logistic regression, one against the rest), trained by src/tools/safety-classifier.ts. */
export interface Classifier {
  /** How far above its threshold each output is, in log-odds; positive means yes. The text is judged as `apart` leaves it. */
  scores(taken: Folded): Readonly<Record<Output, number>>
  /** Whether a word, each doubled letter once, is in everybody's mouth; names and secrets are not. */
  isCommon(word: string): boolean
}

/** What stands in the first line of classifier.bin. */
export interface ClassifierHead {
  readonly common: number
  readonly features: number
  readonly biases: readonly number[]
  /** What one step of an output's weights is worth. */
  readonly steps: readonly number[]
  readonly thresholds: readonly number[]
}

const LINE_END = 10
const WordClasses = z.record(z.string().regex(/^[a-z]+$/), z.array(z.string().regex(/^[a-z0-9]+$/)))

/**
 * The classes that a word, each doubled letter once, belongs to: those of word-classes.yaml, and its line in
 * word-clusters.txt, where words stand together that are used alike. Throws when the files have faults.
 */
export function loadWordClasses(): ClassesOf {
  const read = (name: string) => readFileSync(new URL(`../content/${name}`, import.meta.url), 'utf8')
  const classes = Object.entries(WordClasses.parse(parse(read('word-classes.yaml'))))
  const clusters = read('word-clusters.txt')
    .trim()
    .split('\n')
    .map((line, at) => [`${at}`, line.split(' ')] as const)
  const byWord = new Map<string, string[]>()
  for (const [name, words] of [...classes, ...clusters]) {
    for (const word of new Set(words.map(single))) {
      const known = byWord.get(word)
      if (known) known.push(name)
      else byWord.set(word, [name])
    }
  }
  const none: readonly string[] = []
  return (word) => byWord.get(word) ?? none
}

/**
 * Reads classifier.bin: a line of JSON, hashes of common words, the features in order, then for each a signed byte for each
 * output. Throws when it is cut short.
 */
export function loadClassifier(): Classifier {
  const file = readFileSync(new URL('../content/classifier.bin', import.meta.url))
  const lineEnd = file.indexOf(LINE_END)
  const head = JSON.parse(file.toString('utf8', 0, lineEnd)) as ClassifierHead
  const body = file.buffer.slice(file.byteOffset + lineEnd + 1, file.byteOffset + file.length)
  const numbers = head.common + head.features
  if (body.byteLength !== numbers * 4 + head.features * OUTPUTS.length) throw new Error('classifier.bin is cut short')
  const common = new Set(new Uint32Array(body, 0, head.common))
  const rowOf = indexOf(new Uint32Array(body, head.common * 4, head.features))
  const weights = new Int8Array(body, numbers * 4)
  const isCommon = (word: string) => common.has(wordHash(word))
  const classesOf = loadWordClasses()
  return {
    isCommon,
    scores(taken) {
      const sums = new Float64Array(OUTPUTS.length)
      for (const feature of featuresOf(taken, isCommon, classesOf)) {
        const row = rowOf(feature) * OUTPUTS.length
        if (row < 0) continue
        for (let output = 0; output < OUTPUTS.length; output += 1) sums[output] = (sums[output] as number) + (weights[row + output] as number)
      }
      const scoreOf = (output: number) =>
        (sums[output] as number) * (head.steps[output] as number) + (head.biases[output] as number) - (head.thresholds[output] as number)
      return Object.fromEntries(OUTPUTS.map((output, at) => [output, scoreOf(at)])) as Record<Output, number>
    },
  }
}

/** A stretch of so many places, by powers of two, has some six features in it: looked up in one step, where halving the list takes nineteen through cold memory. */
const STRETCH_BITS = 5

/** Finds where a feature stands in an ascending list; -1 when it does not. */
function indexOf(features: Uint32Array): (wanted: number) => number {
  const starts = new Uint32Array((FEATURE_PLACES >>> STRETCH_BITS) + 1)
  for (const feature of features) starts[(feature >>> STRETCH_BITS) + 1] = (starts[(feature >>> STRETCH_BITS) + 1] as number) + 1
  for (let stretch = 1; stretch < starts.length; stretch += 1) starts[stretch] = (starts[stretch] as number) + (starts[stretch - 1] as number)
  return (wanted) => {
    const stretch = wanted >>> STRETCH_BITS
    const end = starts[stretch + 1] as number
    for (let at = starts[stretch] as number; at < end; at += 1) if (features[at] === wanted) return at
    return -1
  }
}
