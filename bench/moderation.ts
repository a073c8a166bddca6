// What the local rules cost: time and memory to load them, and time for each sentence that a child or a model says, for long
// messages and for hostile ones. `npm run bench:moderation` (after a build: it measures the compiled server's own modules).
import { AGE_GROUPS } from '../src/family/age-groups.ts'
import { unseenLines } from '../test/safety/evaluate.ts'
import { HOSTILE } from '../test/safety/hostile-texts.ts'
import { heldMb, median, percentile, timed } from './figures.ts'

const dist = new URL('../dist/', import.meta.url)
const { localModerators } = (await import(new URL('safety/moderation/moderation.js', dist).href)) as typeof import('../src/safety/moderation/moderation.ts')
const { loadCurriculum } = (await import(new URL('learning/curriculum/curriculum.js', dist).href)) as typeof import('../src/learning/curriculum/curriculum.ts')

/** A turn is no longer. */
const LONGEST = 1_000
/** Each text is judged so often, and counts with the median: what the machine does besides does not. */
const CALLS = 5
const ONE_PASSAGE_IN = 3
const LONG_MESSAGES = 100

const print = (line: string) => process.stdout.write(`${line}\n`)

/** Judges each text and tells how long that took. */
function tell<T>(name: string, texts: readonly T[], judge: (text: T) => unknown): readonly number[] {
  const times = texts.map((text) => median(Array.from({ length: CALLS }, () => timed(() => judge(text))[1])))
  const figures = [0.5, 0.95, 0.99, 1].map((share) => percentile(times, share).toFixed(2).padStart(7))
  print(`${name.padEnd(44)} ${String(times.length).padStart(5)} ${figures.join(' ')}`)
  return times
}

const before = heldMb()
const [{ moderate, moderateReply, prepare }, loadMs] = timed(localModerators)
const loadedMb = heldMb() - before
const began = performance.now()
await prepare()
const prepareMs = performance.now() - began
print(`local rules: loaded in ${loadMs.toFixed(0)} ms, ${loadedMb.toFixed(1)} MB; made ready in ${prepareMs.toFixed(0)} ms, before anybody asks`)

const curriculum = loadCurriculum()
const told = AGE_GROUPS.flatMap((age) => curriculum.topics.flatMap((topic) => curriculum.passagesOf(topic, age)))
  .filter((_passage, at) => at % ONE_PASSAGE_IN === 0)
  .map(({ sentences: [first = '', second = ''] }) => [first, second] as const)
const lines = unseenLines().map(({ say }) => say)
const longMessages = Array.from({ length: LONG_MESSAGES }, (_, at) => [...lines.slice(at), ...lines].join(' ').slice(0, LONGEST))
for (const line of lines) moderate(line)

print(`${`${CALLS} calls each, their median; ms`.padEnd(44)} texts     p50     p95     p99     max`)
tell('a line of a child', lines, moderate)
tell('a sentence of a reply', told, ([, sentence]) => moderateReply(sentence))
tell('the same alone, then with the one before', told, ([first, sentence]) => [moderateReply(sentence), moderateReply(first + sentence)])
tell('a message of 1,000 characters', longMessages, moderate)
const hostile = Object.entries(HOSTILE)
const times = tell('a hostile one', hostile, ([, text]) => moderate(text(LONGEST)))
const slowest = Math.max(...times)
print(`worst of the hostile: ${hostile[times.indexOf(slowest)]?.[0]}, ${slowest.toFixed(1)} ms`)
