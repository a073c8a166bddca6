import type { ScriptedChild } from './children.ts'
import { type Criterion, criteriaWith, type Measures } from './criteria.ts'
import { type Exchange, type Speakers, talkWith } from './talk.ts'

/** How many of the replies that a criterion was asked of meet it. */
export interface Tally {
  passes: number
  replies: number
}

export interface Report {
  readonly criteria: readonly Criterion[]
  readonly replies: number
  /** By the name of the criterion; none is missing. */
  readonly overall: ReadonlyMap<string, Tally>
  /** By the kind of child, then by the name of the criterion. */
  readonly byKind: ReadonlyMap<string, ReadonlyMap<string, Tally>>
  readonly failures: readonly { readonly criterion: string; readonly exchange: Exchange }[]
  /** Names of the criteria that fewer replies meet than they should. */
  readonly underAim: readonly string[]
}

/** Children that talk at the same time. */
const AT_ONCE = 4

/** Lets all the children talk, and measures every reply. */
export async function evaluate(children: readonly ScriptedChild[], speakers: Speakers & Measures): Promise<Report> {
  const criteria = criteriaWith(speakers)
  const overall = noTallies(criteria)
  const byKind = new Map([...new Set(children.map(({ kind }) => kind))].map((kind) => [kind, noTallies(criteria)]))
  const failures: { criterion: string; exchange: Exchange }[] = []
  let replies = 0
  for (let at = 0; at < children.length; at += AT_ONCE) {
    const talks = await Promise.all(children.slice(at, at + AT_ONCE).map((child) => talkWith(child, speakers)))
    for (const exchange of talks.flat()) {
      replies += 1
      for (const { name, meets } of criteria) {
        const passes = meets(exchange)
        if (passes === undefined) continue
        for (const tallies of [overall, byKind.get(exchange.child.kind)]) count(tallies?.get(name) as Tally, passes)
        if (!passes) failures.push({ criterion: name, exchange })
      }
    }
  }
  const underAim = criteria.filter(({ name, aim }) => shareOf(overall.get(name) as Tally) < aim).map(({ name }) => name)
  return { criteria, replies, overall, byKind, failures, underAim }
}

/** 0..1; 1 where nothing was asked. */
export const shareOf = ({ passes, replies }: Tally): number => (replies === 0 ? 1 : passes / replies)

const noTallies = (criteria: readonly Criterion[]): Map<string, Tally> => new Map(criteria.map(({ name }) => [name, { passes: 0, replies: 0 }]))

function count(tally: Tally, passes: boolean): void {
  tally.replies += 1
  if (passes) tally.passes += 1
}
