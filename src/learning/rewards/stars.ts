export const STARS_PER_DEPTH = 5
export const MOST_STARS_A_DAY = 150

/**
 * Stars at the end of a conversation: five for each depth beyond the deepest already paid for its topic that day, within
 * what is left of the day's 150. Never negative.
 */
export function starsFor(depth: number, depthPaid: number, starsToday: number): number {
  const earned = STARS_PER_DEPTH * Math.max(0, depth - depthPaid)
  return Math.max(0, Math.min(earned, MOST_STARS_A_DAY - starsToday))
}
