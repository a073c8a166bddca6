import { createHash } from 'node:crypto'
import type { Spark } from '../curriculum/curriculum.ts'

/** A spark does not come back within so many days. */
export const SPARK_REST_DAYS = 60

/**
 * The spark of a child's day: the sparks stand in an order of the child's own, and the first one comes that is allowed and
 * has not been shown for 60 days; when all have, the one shown longest ago. The same input gives the same spark.
 * `shown` holds the keys of the last 60 days, latest first.
 */
export function pickSpark(childId: string, sparks: readonly Spark[], shown: readonly string[], allowed: (spark: Spark) => boolean): Spark | undefined {
  const place = (spark: Spark) => createHash('sha256').update(`${childId}:${spark.key}`).digest('hex')
  const candidates = sparks
    .filter(allowed)
    .map((spark) => ({ spark, place: place(spark), shownBefore: shown.indexOf(spark.key) }))
    .sort((a, b) => (a.place < b.place ? -1 : 1))
  const fresh = candidates.find((candidate) => candidate.shownBefore < 0)
  return (fresh ?? candidates.toSorted((a, b) => b.shownBefore - a.shownBefore)[0])?.spark
}
