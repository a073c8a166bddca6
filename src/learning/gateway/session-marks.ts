import type { Redis } from 'ioredis'
import { type Instant, SECOND } from '../../platform/clock.ts'
import { redisScript } from '../../platform/ephemeral/scripts.ts'

export interface SessionMark {
  /** A mark that outranks the one before takes its place at once, any other a second later: it may have been seen earlier. */
  readonly rank: number
  readonly text: string
}

/** What children were last told of their time, on whichever instance: so that no two tell the same. */
export interface SessionMarks {
  /**
   * Puts the marks of children, as they were seen at `at`, in place of those before and resolves with these; none for a child
   * that nobody has marked for half a minute. Where the mark stays what it is, the one given comes back. Each child is one
   * step that nothing comes between. Rejects while Redis is away.
   */
  exchange(at: Instant, marks: ReadonlyMap<string, SessionMark>): Promise<ReadonlyMap<string, string>>
}

const MARK_MS = 30 * SECOND

/** KEYS: of the children. ARGV: when, then rank and mark for each. */
const EXCHANGE = `
local before = {}
local now = tonumber(ARGV[1])
for i, key in ipairs(KEYS) do
  local rank, text = ARGV[2 * i], ARGV[2 * i + 1]
  local at, last, mark = string.match(redis.call('GET', key) or '', '^(%d+) (%d+) (.*)$')
  local age = at and now - at
  if age and (age < 0 or (age < ${SECOND} and mark ~= text and tonumber(rank) <= tonumber(last))) then
    before[i] = text
  else
    before[i] = mark or false
    redis.call('SET', key, ARGV[1] .. ' ' .. rank .. ' ' .. text, 'PX', ${MARK_MS})
  end
end
return before`

export function redisSessionMarks(redis: Redis): SessionMarks {
  const exchange = redisScript(redis, 'exchangeSessionMarks', EXCHANGE)
  return {
    async exchange(at, marks) {
      const children = [...marks.keys()]
      const keys = children.map((childId) => `live:{${childId}}:told`)
      const flat = [...marks.values()].flatMap(({ rank, text }) => [rank, text])
      const before = (await exchange(keys, at, ...flat)) as (string | null)[]
      return new Map(children.flatMap((childId, index) => (before[index] ? [[childId, before[index]] as const] : [])))
    },
  }
}
