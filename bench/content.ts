// What the content costs: time to read and link it, to index it for questions, and to answer one; and the memory it holds.
// `npm run bench:content` (after a build: it measures the compiled server's own modules).
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import type { AgeGroup } from '../src/family/age-groups.ts'
import { heldMb, percentile, timed } from './figures.ts'

const dist = new URL('../dist/learning/', import.meta.url)
const { loadCurriculum } = (await import(new URL('curriculum/curriculum.js', dist).href)) as typeof import('../src/learning/curriculum/curriculum.ts')
const { passageRetrieval } = (await import(new URL('tutor/retrieval.js', dist).href)) as typeof import('../src/learning/tutor/retrieval.ts')
const AGES: readonly AgeGroup[] = ['wonder_cubs', 'curious_explorers', 'mind_masters']

const before = heldMb()
const [curriculum, loadMs] = timed(loadCurriculum)
const loaded = heldMb()
const [retrieval, indexMs] = timed(() => {
  const built = passageRetrieval(curriculum)
  for (const age of AGES) built.prepare(age)
  return built
})
const indexed = heldMb()
const passages = AGES.flatMap((age) => curriculum.topics.flatMap((topic) => curriculum.passagesOf(topic, age)))
process.stdout.write(`${passages.length} passages, ${passages.reduce((sum, passage) => sum + passage.questions.length + 1, 0)} questions\n`)
process.stdout.write(`read and linked in ${loadMs.toFixed(0)} ms, ${(loaded - before).toFixed(1)} MB\n`)
process.stdout.write(`indexed in ${indexMs.toFixed(0)} ms, ${(indexed - loaded).toFixed(1)} MB\n`)

const asked = parse(readFileSync(new URL('../test/learning/retrieval/questions.yaml', import.meta.url), 'utf8')) as {
  topic: string
  age: AgeGroup
  ask: string
}[]
const times = asked.map(({ topic: slug, age, ask }) => {
  const topic = curriculum.topics.find((candidate) => candidate.slug === slug)
  return timed(() => topic && retrieval.search(ask, age, topic, () => true))[1]
})
const at = (share: number) => percentile(times, share).toFixed(2)
process.stdout.write(`${times.length} questions answered: median ${at(0.5)} ms, p95 ${at(0.95)} ms; after them ${(heldMb() - loaded).toFixed(1)} MB\n`)
