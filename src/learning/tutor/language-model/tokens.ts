import { type Clock, DAY } from '../../../platform/clock.ts'

const BYTES_OF_A_TOKEN = 4

/** About how many tokens a text is, where nobody has counted them: English has some four bytes a token. */
export const tokensIn = (text: string): number => Math.ceil(Buffer.byteLength(text) / BYTES_OF_A_TOKEN)

/** What all children together may use in a day. */
export interface TokenBudget {
  /** Sets tokens aside; false, and nothing set aside, when there are not so many left. */
  reserve(tokens: number): boolean
  /** Books what was used in place of what was set aside. */
  settle(reserved: number, used: number): void
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
      if (today() + tokens > tokensPerDay) return false
      used += tokens
      return true
    },
    settle(reserved, actual) {
      used = Math.max(0, today() + actual - reserved)
    },
  }
}
