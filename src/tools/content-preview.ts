// Prints a walk through a topic as a child would see it:
// `npm run content:preview -- <topic> [wonder_cubs|curious_explorers|mind_masters] [--taps 21] [--choose 1|2|3|turns] [--name Kim]`.
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { AGE_GROUPS } from '../family/age-groups.ts'
import { IconFile } from '../learning/content/curriculum.schema.ts'
import { checkShape, readSource } from '../learning/content/source-file.ts'
import { loadCurriculum } from '../learning/curriculum/curriculum.ts'
import { builtinTutor } from '../learning/tutor/builtin.ts'
import { CHOICES } from '../learning/tutor/choices.ts'
import { passageRetrieval } from '../learning/tutor/retrieval.ts'
import type { TutorChoice } from '../learning/tutor/tutor-model.ts'
import { TAPS_TO_THE_DEEPEST, walkThrough } from '../learning/tutor/walk.ts'

const curriculum = loadCurriculum()
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    taps: { type: 'string', default: String(TAPS_TO_THE_DEEPEST) },
    choose: { type: 'string', default: 'turns' },
    name: { type: 'string', default: 'Kim' },
  },
})
const wanted = z
  .strictObject({
    topic: z.enum(curriculum.topics.map((topic) => topic.slug) as [string, ...string[]]),
    ageGroup: z.enum(AGE_GROUPS),
    taps: z.coerce.number().int().min(1).max(200),
    choose: z.enum(['1', '2', '3', 'turns']),
    name: z.string().trim().min(1).max(50),
  })
  .safeParse({ topic: positionals[0], ageGroup: positionals[1] ?? 'curious_explorers', taps: values.taps, choose: values.choose, name: values.name })

if (!wanted.success) {
  for (const { path, message } of wanted.error.issues) process.stderr.write(`${path.join('.')}: ${message}\n`)
  process.exitCode = 1
} else {
  const { topic: slug, ageGroup, taps, choose, name } = wanted.data
  const icons = checkShape(readSource('icons.yaml', readFileSync(new URL('../learning/content/icons.yaml', import.meta.url), 'utf8')), IconFile).value ?? {}
  const topic = curriculum.topics.find((candidate) => candidate.slug === slug) as (typeof curriculum.topics)[number]
  const tutor = builtinTutor(curriculum, passageRetrieval(curriculum), 0)
  const map = { restricted: new Set<string>(), progress: new Map(curriculum.topics.map(({ id }) => [id, { depth: 10, talked: true }])) }
  const place = (tap: number) => (choose === 'turns' ? tap % CHOICES : Number(choose) - 1)
  const pick = (choices: readonly TutorChoice[], tap: number) => choices[place(tap) % choices.length] as TutorChoice
  let tap = 0
  for await (const { tapped, text, passage, choices } of walkThrough(tutor, { topic, ageGroup, map, childName: name, taps, pick })) {
    if (tapped) process.stdout.write(`\n${tap}. ${icons[tapped.icon] ?? ''} ${tapped.text}   [${passage?.key}, depth ${passage?.depth}]\n`)
    process.stdout.write(`${text}\n${choices.map((choice) => `   ${icons[choice.icon] ?? ''} ${choice.text}\n`).join('')}`)
    tap += 1
  }
}
