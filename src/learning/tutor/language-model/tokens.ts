import { type Clock, DAY } from '../../../platform/clock.ts'

const BYTES_OF_A_TOKEN = 4

/** About how many tokens a text is, where nobody has counted them: English has some four bytes a token. */
export const tokensIn = (text: string): number => Math.ceil(Buffer.byteLength(text) / BYTES_OF_A_TOKEN)

/** What all children together may use in a day. */
export interface TokenBudget {
  /** Sets tokens aside; undefined, and nothing set aside, when there are not so many left. */
  reserve(tokens: number): Reservation | undefined
}

export interface Reservation {
  /** Books what was used in place of what was set aside. */
  settle(used: number): void
}

/** Counts in this process, by the UTC day. */
export function tokenBudget(clock: Clock, tokensPerDay: number): TokenBudget {
  let day = 0
  let used = 0
  const today = () => {
    const now = Math.floor(clock.now() / DAY)
    if (now !== day) used = 0
    day = now
    return used
  }
  return {
    reserve(tokens) {
      if (today() + tokens > tokensPerDay) return undefined
      used += tokens
      const reservedOn = day
      return {
        settle(actual) {
          used = today() + actual - (day === reservedOn ? tokens : 0)
        },
      }
    },
  }
}
