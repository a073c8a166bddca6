import { describe, expect, it } from 'vitest'
import { hashSecret, verifySecret } from '../../src/identity/passwords.ts'

describe('checking a password', () => {
  it('answers no where there is no hash, and yes for the right one alone', async () => {
    const hash = await hashSecret('Tr1cky-Otter-Parade')
    expect(await verifySecret(hash, 'Tr1cky-Otter-Parade')).toBe(true)
    expect(await verifySecret(hash, 'tr1cky-otter-parade')).toBe(false)
    for (const missing of [null, undefined]) expect(await verifySecret(missing, 'Tr1cky-Otter-Parade')).toBe(false)
  })

  // Attack: a flood that fills the queue, so that the check for unknown accounts is broken for ever and tells them apart.
  it('of an unknown account works again after the queue was full', async () => {
    const flood = Array.from({ length: 400 }, () => verifySecret(null, 'anything').catch((error: { code: string }) => error.code))
    const answers = new Set(await Promise.all(flood))
    expect(answers).toEqual(new Set([false, 'SERVICE_UNAVAILABLE']))
    expect(await verifySecret(undefined, 'anything')).toBe(false)
  })
})
