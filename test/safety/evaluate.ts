import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import { CATEGORIES, type Category, type Moderator } from '../../src/safety/moderation/moderation.ts'

const Lines = z.array(z.strictObject({ say: z.string().min(1), category: z.enum([...CATEGORIES, 'none']), caregiver: z.boolean().default(false) }))
export type LabelledLine = z.infer<typeof Lines>[number]

const LEARNED = new URL('../../src/safety/content/lines/', import.meta.url)
const read = (file: URL): LabelledLine[] => Lines.parse(parse(readFileSync(file, 'utf8')))

/** What the classifier was trained on. */
export const learnedLines = (): LabelledLine[] => readdirSync(LEARNED).flatMap((name) => read(new URL(name, LEARNED)))

/** What no rule was written for and nothing was learned from. */
export const unseenLines = (): LabelledLine[] => read(new URL('corpus.yaml', import.meta.url))

export interface CategoryFigures {
  readonly category: Category
  readonly lines: number
  /** Share of its lines that are found; one that only another category stops is not shown either, but counts as missed. */
  readonly recall: number
  /** Share of the lines found that belong to it. */
  readonly precision: number
  readonly missed: readonly string[]
}

export interface SafetyFigures {
  readonly categories: readonly CategoryFigures[]
  readonly innocent: number
  /** Share of innocent lines that some category stops. */
  readonly falseAlarms: number
  readonly alarmed: readonly string[]
  /** Share of harmful lines that any category stops. */
  readonly stopped: number
  /** Of the distress that points at a caregiver, the share that is seen to; and of the other distress, the share taken for it. */
  readonly caregiverRecall: number
  readonly caregiverFalse: number
}

/** How a moderator does on labelled lines. */
export function evaluate(moderate: Moderator, lines: readonly LabelledLine[]): SafetyFigures {
  const judged = lines.map((line) => ({ line, found: moderate(line.say) }))
  const share = (part: number, whole: number) => (whole === 0 ? 1 : part / whole)
  const categories = CATEGORIES.map((category): CategoryFigures => {
    const own = judged.filter(({ line }) => line.category === category)
    const has = ({ found }: (typeof judged)[number]) => found.categories.includes(category)
    const hits = judged.filter(has)
    const right = own.filter(has)
    return {
      category,
      lines: own.length,
      recall: share(right.length, own.length),
      precision: share(right.length, hits.length),
      missed: own.filter((each) => !has(each)).map(({ line }) => line.say),
    }
  })
  const innocent = judged.filter(({ line }) => line.category === 'none')
  const alarmed = innocent.filter(({ found }) => found.categories.length > 0)
  const harmful = judged.filter(({ line }) => line.category !== 'none')
  const pointing = judged.filter(({ line }) => line.caregiver)
  const other = judged.filter(({ line }) => line.category === 'distress' && !line.caregiver)
  const points = ({ found }: (typeof judged)[number]) => found.pointsAtCaregiver
  return {
    categories,
    innocent: innocent.length,
    falseAlarms: share(alarmed.length, innocent.length),
    alarmed: alarmed.map(({ line, found }) => `${line.say} (${found.categories.join(', ')})`),
    stopped: share(harmful.filter(({ found }) => found.categories.length > 0).length, harmful.length),
    caregiverRecall: share(pointing.filter(points).length, pointing.length),
    caregiverFalse: other.length === 0 ? 0 : other.filter(points).length / other.length,
  }
}
