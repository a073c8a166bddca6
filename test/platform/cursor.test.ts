import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { decodeCursor, encodeCursor, PageLimit } from '../../src/platform/http/cursor.ts'
import { AppError } from '../../src/platform/http/errors.ts'

const Cursor = z.int().min(1)
const refusalOf = (work: () => unknown): AppError => {
  try {
    work()
  } catch (error) {
    if (error instanceof AppError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('cursors', () => {
  it('give back what they were made of, in characters that fit a URL', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 2 }), (value) => {
        const cursor = encodeCursor(value)
        expect(cursor).toMatch(/^[\w-]*$/)
        expect(decodeCursor(z.json(), cursor, 'before')).toEqual(JSON.parse(JSON.stringify(value)))
      }),
      { numRuns: 200 },
    )
  })

  it('answer 400 naming the field, or fit their shape, whatever a client makes up', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (made) => {
        let decoded: number
        try {
          decoded = decodeCursor(Cursor, made, 'before')
        } catch (error) {
          expect(error).toMatchObject({ code: 'VALIDATION_ERROR', status: 400, options: { details: [{ field: 'before' }] } })
          return
        }
        expect(Cursor.safeParse(decoded).success).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    ['nothing', ''],
    ['no JSON', Buffer.from('{').toString('base64url')],
    ['another shape', encodeCursor({ seq: 1 })],
    ['a text for a number', encodeCursor('1')],
    ['zero', encodeCursor(0)],
    ['a negative number', encodeCursor(-1)],
    ['a fraction', encodeCursor(1.5)],
    ['null', encodeCursor(null)],
    ['a number beyond all integers', Buffer.from('1e400').toString('base64url')],
  ])('refuse %s', (_what, cursor) => {
    const refusal = refusalOf(() => decodeCursor(Cursor, cursor, 'before'))
    expect([refusal.code, refusal.options.details?.[0]?.field]).toEqual(['VALIDATION_ERROR', 'before'])
  })
})

describe('page limits', () => {
  it.each([
    [undefined, 50],
    ['1', 1],
    ['100', 100],
  ])('%j means %i', (given, limit) => {
    expect(PageLimit(50).parse(given)).toBe(limit)
  })

  it.each(['0', '101', '-1', '1.5', 'many', '', 'NaN', '1e9', null])('refuse %j', (given) => {
    expect(PageLimit(50).safeParse(given).success).toBe(false)
  })
})
