// Reports every fault of the curriculum with file and line: `npm run content:check [topic ...]`.
import { readdirSync, readFileSync } from 'node:fs'
import { crossingFaults, sparkFaults, topicFaults } from '../learning/content/content-faults.ts'
import { AGE_GROUPS, IconFile, SparkFile, TopicFile, TopicMap } from '../learning/content/curriculum.schema.ts'
import { gradeLevel } from '../learning/content/readability.ts'
import { type ContentFault, checkShape, readSource } from '../learning/content/source-file.ts'
import { childrensVocabulary } from '../learning/content/vocabulary.ts'
import { loadCurriculum, type Passage, type Topic } from '../learning/curriculum/curriculum.ts'
import { builtinTutor } from '../learning/tutor/builtin.ts'
import { passageRetrieval } from '../learning/tutor/retrieval.ts'
import { walkFaults } from '../learning/tutor/walk.ts'

const directory = new URL('../learning/content/', import.meta.url)
const wanted = process.argv.slice(2)
const faults: ContentFault[] = []
const sourceOf = (name: string) => readSource(name, readFileSync(new URL(name, directory), 'utf8'))
const mapCheck = checkShape(sourceOf('map.yaml'), TopicMap)
const iconCheck = checkShape(sourceOf('icons.yaml'), IconFile)
faults.push(...mapCheck.faults, ...iconCheck.faults)
const map = mapCheck.value
const rules = map && iconCheck.value && { map, icons: new Set(Object.keys(iconCheck.value)), vocabulary: childrensVocabulary() }
const rows: string[] = []
const read: Parameters<typeof crossingFaults>[0][number][] = []

for (const name of rules ? readdirSync(new URL('topics/', directory)).sort() : []) {
  const slug = name.replace(/\.yaml$/, '')
  if (!rules || (wanted.length > 0 && !wanted.includes(slug))) continue
  const source = sourceOf(`topics/${name}`)
  const { value: topic, faults: shapeFaults } = checkShape(source, TopicFile)
  faults.push(...shapeFaults)
  if (!topic) continue
  read.push({ source, topic })
  faults.push(...topicFaults(source, topic, rules, slug))
  const voices = AGE_GROUPS.map((ageGroup) => {
    const { passages } = topic.voices[ageGroup]
    const count = (kind: string) => passages.filter((passage) => passage.kind === kind).length
    const grade = gradeLevel(...passages.map((passage) => passage.text))
    return `${count('path')}+${count('answer')}+${count('crossing')} (grade ${grade.toFixed(1)})`.padEnd(22)
  })
  rows.push(`${slug.padEnd(14)} ${voices.join('').trimEnd()}`)
}
faults.push(...crossingFaults(read))
if (rules && wanted.length === 0) {
  const source = sourceOf('sparks.yaml')
  const { value: sparks, faults: shapeFaults } = checkShape(source, SparkFile)
  faults.push(...shapeFaults, ...(sparks ? sparkFaults(source, sparks, rules) : []))
}
if (faults.length === 0) {
  const curriculum = loadCurriculum()
  const tutor = builtinTutor(curriculum, passageRetrieval(curriculum), 0)
  for (const { source, topic: file } of read) {
    const topic = curriculum.topics.find((candidate) => candidate.slug === file.topic) as Topic
    for (const ageGroup of AGE_GROUPS) {
      for (const { passage, message } of await walkFaults(tutor, curriculum, topic, ageGroup)) {
        const index = curriculum.passagesOf(topic, ageGroup).indexOf(passage as Passage)
        faults.push({ file: source.file, line: source.lineOf(['voices', ageGroup, 'passages', ...(index < 0 ? [] : [index])]), message })
      }
    }
  }
}

process.stdout.write(`path+answer+crossing passages per age group, Flesch-Kincaid grade\n${rows.join('\n')}\n`)
for (const fault of faults) process.stdout.write(`${fault.file}:${fault.line} ${fault.message}\n`)
process.stdout.write(faults.length === 0 ? 'no faults\n' : `${faults.length} faults\n`)
process.exitCode = faults.length === 0 ? 0 : 1
