// Trains the classifier of src/safety/moderation from labelled lines: `npm run safety:train`. Innocent are also the
// questions and sentences of the curriculum. Writes classifier.bin and word-clusters.txt into src/safety/content; the same
// lines give the same files.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import { AGE_GROUPS } from '../family/age-groups.ts'
import { loadCurriculum } from '../learning/curriculum/curriculum.ts'
import { loadWordVectors, toUnit } from '../learning/tutor/word-vectors.ts'
import { type ClassifierHead, loadWordClasses, OUTPUTS } from '../safety/moderation/classifier.ts'
import { FEATURE_PLACES, featuresOf, wordHash } from '../safety/moderation/features.ts'
import { apart, fold } from '../safety/moderation/folding.ts'

const LINES = new URL('../safety/content/lines/', import.meta.url)
const FILE = new URL('../safety/content/classifier.bin', import.meta.url)
const CLUSTERS_FILE = new URL('../safety/content/word-clusters.txt', import.meta.url)

const Line = z.strictObject({ say: z.string().min(1), category: z.enum([...OUTPUTS, 'none']).exclude(['caregiver']), caregiver: z.boolean().default(false) })
type Line = z.infer<typeof Line>
interface Example {
  readonly features: Uint32Array
  /** Index of its output; -1 for an innocent line. */
  readonly label: number
  readonly caregiver: boolean
  readonly weight: number
}

const EPOCHS = 12
const MODELS = 3
const RATE = 0.05
const RIDGE = 3e-3
/** The share of features left out at every look, so that none is relied on alone (dropout). */
const LEFT_OUT = 0.3
const CURRICULUM_WEIGHT = 0.5
/** Every so many questions of the curriculum one is an example; all would drown what children say. */
const CURRICULUM_STEP = 6
const COMMON_FROM = 3
const CAREGIVER = OUTPUTS.indexOf('caregiver')
/**
 * So many of the innocent lines may be taken for harm when they have not been learned from; thresholds are set by it. They are
 * harder than what children say every day, and a missed cry for help weighs more than a false alarm.
 */
const FALSE_ALARMS = 0.06
const MISTAKEN_WEIGHT = 2
/** In log-odds below a threshold. */
const NEARLY = 2.2
/** One line of so many is left aside to find the thresholds. */
const LEFT_ASIDE = 4
/** A feature of fewer examples says nothing about others. */
const EXAMPLES_FROM = 2
/** What weighs less, of 127, is left out of the file. */
const LEAST_BYTE = 2
const CLUSTERS = 400
const CLUSTERED_WORDS = 15_000
const CLUSTER_ROUNDS = 6

/** Random numbers that are the same on every machine (Numerical Recipes' generator). */
function random(seed: number): () => number {
  let state = 20_261_121 + seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const readLines = (): Line[] =>
  readdirSync(LINES)
    .sort()
    .flatMap((name) => z.array(Line).parse(parse(readFileSync(new URL(name, LINES), 'utf8'))))

function innocentTexts(): { readonly questions: string[]; readonly sentences: string[] } {
  const curriculum = loadCurriculum()
  const passages = AGE_GROUPS.flatMap((age) => curriculum.topics.flatMap((topic) => curriculum.passagesOf(topic, age)))
  return { questions: passages.flatMap((passage) => [passage.ask, ...passage.questions]), sentences: passages.flatMap((passage) => passage.sentences) }
}

function commonWords(texts: Iterable<string>): Set<string> {
  const counts = new Map<string, number>()
  for (const text of texts) for (const word of new Set(fold(text).line.trim().split(' '))) counts.set(word, (counts.get(word) ?? 0) + 1)
  return new Set([...counts].filter(([, count]) => count >= COMMON_FROM).map(([word]) => word))
}

/** Logistic regression by stochastic gradient descent with a rate for each weight (AdaGrad, Duchi et al., 2011). */
function train(examples: readonly Example[], seed = 0): { readonly weights: Float32Array[]; readonly biases: Float32Array } {
  const draw = random(seed)
  const weights = OUTPUTS.map(() => new Float32Array(FEATURE_PLACES))
  const squares = OUTPUTS.map(() => new Float32Array(FEATURE_PLACES).fill(0.01))
  const biases = new Float32Array(OUTPUTS.length).fill(-3)
  const order = examples.map((_example, at) => at)
  for (let epoch = 0; epoch < EPOCHS; epoch += 1) {
    for (let at = order.length - 1; at > 0; at -= 1) {
      const other = Math.floor(draw() * (at + 1))
      ;[order[at], order[other]] = [order[other] as number, order[at] as number]
    }
    for (const at of order) {
      const { features, label, caregiver, weight } = examples[at] as Example
      const seen = features.filter(() => draw() >= LEFT_OUT)
      for (let output = 0; output < OUTPUTS.length; output += 1) {
        if (output === CAREGIVER && label !== 0) continue
        const own = weights[output] as Float32Array
        const square = squares[output] as Float32Array
        let sum = biases[output] as number
        for (const feature of seen) sum += own[feature] as number
        const target = (output === CAREGIVER ? caregiver : label === output) ? 1 : 0
        const slope = (1 / (1 + Math.exp(-sum)) - target) * weight
        if (Math.abs(slope) < 1e-3) continue
        biases[output] = (biases[output] as number) - 0.02 * slope
        for (const feature of seen) {
          const gradient = slope + RIDGE * (own[feature] as number)
          square[feature] = (square[feature] as number) + gradient * gradient
          own[feature] = (own[feature] as number) - (RATE * gradient) / Math.sqrt(square[feature] as number)
        }
      }
    }
  }
  return { weights: weights.map((own) => own.map((each) => each * (1 - LEFT_OUT))), biases }
}

type Model = ReturnType<typeof train>

/** The mean of models that saw the examples in other orders: what chance gave to one of them cancels out. */
function trainSeveral(examples: readonly Example[]): Model {
  const model = train(examples)
  for (let seed = 1; seed < MODELS; seed += 1) {
    const { weights, biases } = train(examples, seed)
    for (const [output, own] of weights.entries()) addTo(model.weights[output] as Float32Array, own)
    addTo(model.biases, biases)
  }
  return { weights: model.weights.map((own) => own.map((each) => each / MODELS)), biases: model.biases.map((each) => each / MODELS) }
}

function addTo(sum: Float32Array, own: Float32Array): void {
  for (let at = 0; at < sum.length; at += 1) sum[at] = (sum[at] as number) + (own[at] as number)
}

const scoreOf = ({ weights, biases }: Model, output: number, features: Uint32Array): number =>
  features.reduce((sum, feature) => sum + ((weights[output] as Float32Array)[feature] as number), biases[output] as number)

/**
 * A first model, and the log-odds above which a line counts. Lines left aside are judged by a model that has not seen them; of
 * the innocent ones as many are above as may be falsely alarmed. Caregivers are asked for of distress alone, at even odds.
 */
function leavingAside(lines: readonly Example[], texts: readonly Example[]): { readonly model: Model; readonly thresholds: readonly number[] } {
  const model = train([...lines.filter((_line, at) => at % LEFT_ASIDE !== 0), ...texts])
  const highest = lines
    .filter((line, at) => at % LEFT_ASIDE === 0 && line.label < 0)
    .map(({ features }) => Math.max(...OUTPUTS.slice(0, CAREGIVER).map((_name, output) => scoreOf(model, output, features))))
    .sort((a, b) => b - a)
  const threshold = highest[Math.floor(highest.length * FALSE_ALARMS)] as number
  return { model, thresholds: OUTPUTS.map((_name, output) => (output === CAREGIVER ? 0 : threshold)) }
}

const isNearly = (model: Model, thresholds: readonly number[], features: Uint32Array): boolean =>
  OUTPUTS.slice(0, CAREGIVER).some((_name, output) => scoreOf(model, output, features) > (thresholds[output] as number) - NEARLY)

function write({ weights, biases }: Model, thresholds: readonly number[], common: ReadonlySet<string>): void {
  const steps = weights.map((own) => own.reduce((most, each) => Math.max(most, Math.abs(each)), 1e-6) / 127)
  const byteOf = (output: number, feature: number) => Math.round(((weights[output] as Float32Array)[feature] as number) / (steps[output] as number))
  const kept = Uint32Array.from(Array(FEATURE_PLACES).keys()).filter((feature) =>
    OUTPUTS.some((_name, output) => Math.abs(byteOf(output, feature)) >= LEAST_BYTE),
  )
  const head: ClassifierHead = { common: common.size, features: kept.length, biases: [...biases], steps, thresholds }
  const hashes = Uint32Array.from(common, wordHash).sort()
  const rows = Int8Array.from({ length: kept.length * OUTPUTS.length }, (_byte, at) =>
    byteOf(at % OUTPUTS.length, kept[Math.floor(at / OUTPUTS.length)] as number),
  )
  writeFileSync(FILE, Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), Buffer.from(hashes.buffer), Buffer.from(kept.buffer), Buffer.from(rows.buffer)]))
}

/** Puts words together that are used alike: k-means over the directions of their vectors (Lloyd, 1982). */
function clusterWords(): string[][] {
  const vectors = loadWordVectors()
  const directions = Array.from({ length: Math.min(CLUSTERED_WORDS, vectors.words.length) }, (_word, row) => {
    const direction = new Float32Array(vectors.dimensions)
    vectors.add(row, 1, direction)
    return toUnit(direction)
  })
  const nearest = (direction: Float32Array, centres: readonly Float32Array[]): number => {
    const closeness = centres.map((centre) => centre.reduce((sum, part, at) => sum + part * (direction[at] as number), 0))
    return closeness.indexOf(Math.max(...closeness))
  }
  let centres = Array.from({ length: CLUSTERS }, (_centre, at) => directions[Math.floor((at * directions.length) / CLUSTERS)] as Float32Array)
  let places: number[] = []
  for (let round = 0; round < CLUSTER_ROUNDS; round += 1) {
    places = directions.map((direction) => nearest(direction, centres))
    const sums = centres.map(() => new Float32Array(vectors.dimensions))
    directions.forEach((direction, row) => {
      const sum = sums[places[row] as number] as Float32Array
      direction.forEach((part, at) => {
        sum[at] = (sum[at] as number) + part
      })
    })
    centres = sums.map(toUnit)
  }
  const clusters = centres.map((_centre, cluster) => vectors.words.filter((_word, row) => places[row] === cluster))
  return clusters.filter((cluster) => cluster.length > 0)
}

/** Leaves out the features that only few examples have. */
function withoutRare(examples: readonly Example[]): Example[] {
  const counts = new Uint16Array(FEATURE_PLACES)
  for (const { features } of examples) for (const feature of features) counts[feature] = Math.min(EXAMPLES_FROM, (counts[feature] as number) + 1)
  return examples.map((example) => ({ ...example, features: example.features.filter((feature) => counts[feature] === EXAMPLES_FROM) }))
}

writeFileSync(
  CLUSTERS_FILE,
  `${clusterWords()
    .map((cluster) => cluster.join(' '))
    .join('\n')}\n`,
)
const lines = readLines()
const { questions, sentences } = innocentTexts()
const common = commonWords([...questions, ...sentences, ...lines.filter((line) => line.category !== 'personal_data').map((line) => line.say)])
const classesOf = loadWordClasses()
const isCommon = (word: string) => common.has(word)
const featuresIn = (text: string) => Uint32Array.from(featuresOf(apart(fold(text), isCommon), isCommon, classesOf))
const learned = lines.map(
  ({ say, category, caregiver }): Example => ({ features: featuresIn(say), label: category === 'none' ? -1 : OUTPUTS.indexOf(category), caregiver, weight: 1 }),
)
const ofCurriculum = [...questions, ...sentences].map(
  (text): Example => ({ features: featuresIn(text), label: -1, caregiver: false, weight: CURRICULUM_WEIGHT }),
)
const all = withoutRare([...learned, ...ofCurriculum])
const labelled = all.slice(0, lines.length)
const texts = all.slice(lines.length)
const sample = texts.filter((_text, at) => at % CURRICULUM_STEP === 0)
const { model, thresholds } = leavingAside(labelled, sample)
// What of the curriculum is nearly taken for harm is learned too: it is all innocent.
const mistaken = texts.filter((text, at) => at % CURRICULUM_STEP !== 0 && isNearly(model, thresholds, text.features))
write(trainSeveral([...labelled, ...sample, ...mistaken.map((text) => ({ ...text, weight: MISTAKEN_WEIGHT }))]), thresholds, common)
process.stdout.write(
  `${lines.length} labelled lines, ${sample.length + mistaken.length} texts of the curriculum, ${common.size} common words; threshold ${thresholds[0]?.toFixed(2)}\n`,
)
