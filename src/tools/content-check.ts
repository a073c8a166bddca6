// Reports every fault of the curriculum with file and line: `npm run content:check [topic ...]`.
import { readdirSync, readFileSync } from 'node:fs'
import { checkShape, crossingFaults, readSource, topicFaults } from '../learning/content/content-faults.ts'
import { AGE_GROUPS, TopicFile, TopicMap } from '../learning/content/curriculum.schema.ts'
import { gradeLevel } from '../learning/content/readability.ts'

const directory = new URL('../learning/content/', import.meta.url)
const wanted = process.argv.slice(2)
const mapSource = readSource('map.yaml', readFileSync(new URL('map.yaml', directory), 'utf8'))
const map = checkShape(mapSource, TopicMap)
const faults = [...map.faults]
const rows: string[] = []
const read: Parameters<typeof crossingFaults>[0][number][] = []

for (const name of readdirSync(new URL('topics/', directory)).sort()) {
  const slug = name.replace(/\.yaml$/, '')
  if (!map.value || (wanted.length > 0 && !wanted.includes(slug))) continue
  const source = readSource(`topics/${name}`, readFileSync(new URL(`topics/${name}`, directory), 'utf8'))
  const { value: topic, faults: shapeFaults } = checkShape(source, TopicFile)
  faults.push(...shapeFaults)
  if (!topic) continue
  read.push({ source, topic })
  faults.push(...topicFaults(source, topic, map.value, slug))
  const voices = AGE_GROUPS.map((ageGroup) => {
    const { passages } = topic.voices[ageGroup]
    const paths = passages.filter((passage) => passage.kind === 'path').length
    const grade = gradeLevel(passages.map((passage) => passage.text).join(' '))
    return `${paths}+${passages.length - paths} (grade ${grade.toFixed(1)})`
  })
  rows.push(`${slug.padEnd(14)} ${voices.join('  ')}`)
}

faults.push(...crossingFaults(read))
process.stdout.write(`path+answer passages per age group, Flesch-Kincaid grade\n${rows.join('\n')}\n`)
for (const fault of faults) process.stdout.write(`${fault.file}:${fault.line} ${fault.message}\n`)
process.stdout.write(faults.length === 0 ? 'no faults\n' : `${faults.length} faults\n`)
process.exitCode = faults.length === 0 ? 0 : 1
