import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cryptoBox } from '../../src/platform/crypto-box.ts'

const newKey = () => randomBytes(32).toString('base64')
const RUNS = { numRuns: 200 }
const text = fc.string({ unit: 'binary', maxLength: 200 })

describe('the crypto box', () => {
  it('gives back every text', () => {
    const box = cryptoBox([newKey()])
    fc.assert(
      fc.property(text, (words) => {
        expect(box.open(box.seal(words))).toBe(words)
      }),
      RUNS,
    )
  })

  // Attack: whoever reads the database compares or reads what is sealed.
  it('never seals alike and shows nothing of the text', () => {
    const box = cryptoBox([newKey()])
    const [one, two] = [box.seal('canary-Emma'), box.seal('canary-Emma')]
    expect(one.equals(two)).toBe(false)
    expect(one.subarray(0, 12).equals(two.subarray(0, 12))).toBe(false)
    expect(one.includes('canary')).toBe(false)
  })

  // Attack: whoever writes to the database changes what is sealed.
  it('opens nothing that was changed in any bit', () => {
    const box = cryptoBox([newKey()])
    fc.assert(
      fc.property(text, fc.nat(), fc.integer({ min: 0, max: 7 }), (words, position, bit) => {
        const sealed = box.seal(words)
        const index = position % sealed.length
        sealed[index] = (sealed[index] as number) ^ (1 << bit)
        expect(() => box.open(sealed)).toThrow()
      }),
      RUNS,
    )
  })

  // Attack: a shortened tag is easier to guess, so a shorter one must not pass for a whole one.
  it.each(['', 'words of a child'])('opens nothing that was cut off: %j', (words) => {
    const box = cryptoBox([newKey()])
    const sealed = box.seal(words)
    const opened = Array.from({ length: sealed.length }, (_, length) => length).filter((length) => {
      try {
        box.open(sealed.subarray(0, length))
        return true
      } catch {
        return false
      }
    })
    expect(opened).toEqual([])
  })

  it('opens what an older key sealed, and seals with the newest', () => {
    const [older, newer] = [newKey(), newKey()]
    const rotated = cryptoBox([newer, older])
    expect(rotated.open(cryptoBox([older]).seal('words'))).toBe('words')
    expect(cryptoBox([newer]).open(rotated.seal('words'))).toBe('words')
    expect(() => cryptoBox([older]).open(rotated.seal('words'))).toThrow('no key opens this')
  })

  it('opens nothing of a stranger', () => {
    expect(() => cryptoBox([newKey()]).open(cryptoBox([newKey()]).seal('words'))).toThrow('no key opens this')
  })

  it('makes fingerprints that tell texts apart, and only with the key', () => {
    const key = newKey()
    const box = cryptoBox([key])
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(box.fingerprint(a).equals(cryptoBox([key]).fingerprint(a))).toBe(true)
        expect(box.fingerprint(a).equals(box.fingerprint(b))).toBe(a === b)
      }),
      RUNS,
    )
    expect(box.fingerprint('a').equals(cryptoBox([newKey()]).fingerprint('a'))).toBe(false)
  })

  it('is not made without a key', () => {
    expect(() => cryptoBox([])).toThrow('an encryption key is needed')
  })
})
