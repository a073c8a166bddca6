import type { Redis } from 'ioredis'

export type RedisScript = (keys: readonly string[], ...args: readonly (string | number)[]) => Promise<unknown>

/** A Lua script, sent by its digest once the server knows it. */
export function redisScript(redis: Redis, name: string, lua: string): RedisScript {
  redis.defineCommand(name, { lua })
  const commands = redis as unknown as Record<string, (...args: readonly (string | number)[]) => Promise<unknown>>
  return (keys, ...args) => (commands[name] as (typeof commands)[string]).call(redis, keys.length, ...keys, ...args)
}
