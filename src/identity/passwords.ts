import os from 'node:os'
import argon2 from 'argon2'
import { AppError } from '../platform/http/errors.ts'
import { COMMON_PASSWORDS } from './common-passwords.ts'

/** OWASP Password Storage Cheat Sheet, argon2id: 19 MiB, two passes, one lane. */
const PARAMETERS = { type: argon2.argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 } as const
const MAX_WAITING = 200

let running = 0
const waiting: (() => void)[] = []

/** Runs at most one hash per core; refuses with 503 when more than 200 wait, so that a flood cannot pile up memory. */
async function queued<T>(work: () => Promise<T>): Promise<T> {
  if (running >= os.availableParallelism()) {
    if (waiting.length >= MAX_WAITING) throw new AppError('SERVICE_UNAVAILABLE', { retryAfter: 2 })
    await new Promise<void>((resolve) => waiting.push(resolve))
  } else running += 1
  try {
    return await work()
  } finally {
    const next = waiting.shift()
    if (next) next()
    else running -= 1
  }
}

/** The argon2id hash of a password or PIN, in PHC form. */
export const hashSecret = (secret: string): Promise<string> => queued(() => argon2.hash(secret, PARAMETERS))

/** The hash, with the same parameters, of a secret that nobody knows. */
const DECOY = '$argon2id$v=19$m=19456,t=2,p=1$ZqpMYi68Tt/VYIZCu4dp+Q$m9fhEXUM6J0I+U3RBpLeqjSz05XvxPzXuzn1qoG1HTE'

/**
 * Whether a secret matches a hash. Without a hash it works as long and answers false, so that the time of an answer
 * does not tell whether an account exists.
 */
export async function verifySecret(hash: string | null | undefined, secret: string): Promise<boolean> {
  const matches = await queued(() => argon2.verify(hash ?? DECOY, secret))
  return matches && hash != null
}

/** True for passwords that attackers try first, in any letter case. */
export const isCommonPassword = (password: string): boolean => COMMON_PASSWORDS.has(password.toLowerCase())
