/**
 * Why a language model did not give a whole reply. `connection`: it could not be reached. `timeout`: it was silent, or took
 * too long. `status`: it refused by HTTP. `cut`: the stream ended early. `prose`: it was asked for JSON and gave none.
 * `garbage`: what it gave cannot be said. `refusal`, `filtered`, `length`: it, its provider or its limit stopped the reply.
 */
export type FailureKind = 'connection' | 'timeout' | 'status' | 'cut' | 'prose' | 'garbage' | 'refusal' | 'filtered' | 'length'

const PASSING: ReadonlySet<FailureKind> = new Set(['connection', 'timeout', 'cut', 'prose'])
const PASSING_STATUSES: ReadonlySet<number> = new Set([408, 409, 425, 429])
const WILLFUL: ReadonlySet<FailureKind> = new Set(['refusal', 'filtered'])

interface Circumstances {
  readonly status?: number
  /** How long the provider asked to be left alone. */
  readonly retryAfterMs?: number | undefined
  /** Whether the provider may have refused the request for its form, and not for what was in it. */
  readonly rejectsForm?: boolean
}

/** Holds nothing of what a child, a model or its provider said, so that it can be logged. */
export class ModelFailure extends Error {
  override readonly name = 'ModelFailure'
  readonly kind: FailureKind
  readonly status: number | undefined
  readonly retryAfterMs: number | undefined
  readonly rejectsForm: boolean

  constructor(kind: FailureKind, { status, retryAfterMs, rejectsForm = false }: Circumstances = {}) {
    super(`the language model failed: ${kind}${status === undefined ? '' : ` ${status}`}`)
    this.kind = kind
    this.status = status
    this.retryAfterMs = retryAfterMs
    this.rejectsForm = rejectsForm
  }

  /** Whether another try may do better. */
  get isPassing(): boolean {
    return PASSING.has(this.kind) || (this.status !== undefined && (this.status >= 500 || PASSING_STATUSES.has(this.status)))
  }

  /** Whether the model is well, and only would not say this. */
  get isWillful(): boolean {
    return WILLFUL.has(this.kind)
  }
}
