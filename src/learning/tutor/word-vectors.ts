import { readFileSync } from 'node:fs'

/** Words with what they mean as directions in space: words used alike point alike. */
export interface WordVectors {
  readonly dimensions: number
  /** In the order of how common they are in English. */
  readonly words: readonly string[]
  /** The row of a word: the smaller, the commoner. */
  rowOf(word: string): number | undefined
  /** Adds the word's unit vector, times a weight and less for words that are common, to a sum of what words mean together. */
  add(row: number, weight: number, into: Float32Array): void
  /** How much a word tells: the less, the commoner it is. */
  weightOf(row: number): number
}

const FILE = new URL('../content/word-vectors.bin', import.meta.url)
const LINE_END = 10

/**
 * Reads word-vectors.bin: a line of words, then a row of signed bytes for each. Made by src/tools/word-vectors.ts from
 * GloVe (Pennington, Socher and Manning, 2014; public domain).
 */
export function loadWordVectors(): WordVectors {
  const file = readFileSync(FILE)
  const lineEnd = file.indexOf(LINE_END)
  const words = file.toString('utf8', 0, lineEnd).split(' ')
  const dimensions = (file.length - lineEnd - 1) / words.length
  if (!Number.isInteger(dimensions)) throw new Error('word-vectors.bin is cut short')
  const rows = new Int8Array(file.buffer, file.byteOffset + lineEnd + 1, words.length * dimensions)
  const byWord = new Map(words.map((word, row) => [word, row]))
  const lengths = Float32Array.from(words, (_word, row) => {
    let squares = 0
    for (let at = row * dimensions; at < (row + 1) * dimensions; at += 1) squares += (rows[at] as number) ** 2
    return Math.sqrt(squares || 1)
  })
  return {
    dimensions,
    words,
    rowOf: (word) => byWord.get(word),
    weightOf: tellingWeight,
    add(row, weight, into) {
      const start = row * dimensions
      const scale = (weight * tellingWeight(row)) / (lengths[row] as number)
      for (let at = 0; at < dimensions; at += 1) into[at] = (into[at] as number) + (rows[start + at] as number) * scale
    },
  }
}

/** Common words tell less: a / (a + p) (Arora, Liang and Ma, 2017), with p after Zipf from the word's rank. */
function tellingWeight(row: number): number {
  const probability = 0.08 / (row + 8)
  return 0.001 / (0.001 + probability)
}

/** Scales a vector to length 1 where it stands, and gives it back; a vector of nothing stays so. */
export function toUnit(vector: Float32Array): Float32Array {
  let squares = 0
  for (let at = 0; at < vector.length; at += 1) squares += (vector[at] as number) ** 2
  const scale = 1 / Math.sqrt(squares || 1)
  for (let at = 0; at < vector.length; at += 1) vector[at] = (vector[at] as number) * scale
  return vector
}
