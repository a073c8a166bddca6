import { describe, expect, it } from 'vitest'
import { openLogger } from '../../src/deps.ts'

describe('the log', () => {
  it('tells of an error its type, code, stack and cause, and never its message', () => {
    const lines: string[] = []
    const logger = openLogger('info', { write: (line) => void lines.push(line) })
    const cause = Object.assign(new Error('value "Emma" is too long'), { code: '22001' })
    logger.error({ err: new TypeError('could not store what Emma said', { cause }) }, 'request failed')
    const { err, msg } = JSON.parse(lines[0] ?? '')
    expect([msg, err.type, err.cause.code]).toEqual(['request failed', 'TypeError', '22001'])
    expect(err.stack).toMatch(/^ +at .*logging\.test\.ts/m)
    expect(lines.join()).not.toContain('Emma')
  })
})
