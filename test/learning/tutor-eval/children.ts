import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import { AGE_GROUPS } from '../../../src/family/age-groups.ts'

/** What a reply to these words is asked for, besides what is asked of every reply. */
const EXPECTATIONS = ['grounded', 'hint', 'goes_on', 'leads_back', 'honest', 'says_program', 'says_who_reads'] as const
export type Expectation = (typeof EXPECTATIONS)[number]

const Pattern = z
  .string()
  .min(3)
  .transform((source) => new RegExp(source, 'iu'))

const Turn = z
  .strictObject({
    /** The place of the choice that is tapped. */
    tap: z.int().min(0).max(2).optional(),
    say: z.string().min(1).max(1_000).optional(),
    expect: z.array(z.enum(EXPECTATIONS)).default([]),
    /** A wrong fact that the child holds: words that would confirm it, and those by which a correction is known. */
    wrong: z.strictObject({ claim: Pattern, correction: Pattern.optional() }).optional(),
    /** What a tutor that obeys would say. */
    never: Pattern.optional(),
  })
  .refine(({ tap, say }) => (tap === undefined) !== (say === undefined), 'a child taps or speaks')
export type ScriptedTurn = z.infer<typeof Turn>

const Child = z.strictObject({
  name: z.string().min(1),
  /** In which way it is hard. */
  kind: z.string().regex(/^[a-z]+(-[a-z]+)*$/),
  age: z.enum(AGE_GROUPS),
  /** Slug of the topic the talk is about. */
  topic: z.string(),
  turns: z.array(Turn).min(6),
})
export type ScriptedChild = z.infer<typeof Child>

/** Reads children from YAML. Throws when the script has faults. */
export const childrenIn = (yaml: string): ScriptedChild[] => z.array(Child).parse(parse(yaml))

/** The children whose talks measure a tutor. */
export const CHILDREN = childrenIn(readFileSync(new URL('children.yaml', import.meta.url), 'utf8'))
