/** One entry of the catalogue: everything a client may read about an error. */
export interface ErrorEntry {
  readonly status: number
  readonly message: string
  /** For the child, and the animation that goes with it. */
  readonly child: string
  readonly animation: string
}

/** Section 8.2 of the learning contract, complete and closed. */
export const ERRORS = {
  VALIDATION_ERROR: { status: 400, message: 'Invalid input data', child: 'Hmm, that got a bit mixed up. Let us try it again!', animation: 'puzzled_mascot' },
  INVALID_CHOICE: {
    status: 400,
    message: 'Invalid conversation choice',
    child: 'That choice has flown away. Pick one of the others!',
    animation: 'puzzled_mascot',
  },
  UNAUTHORIZED: { status: 401, message: 'Missing or invalid token', child: 'Please ask your grown-up to open BrainSpark for you.', animation: 'waving_mascot' },
  TOKEN_EXPIRED: {
    status: 401,
    message: 'The token has expired',
    child: 'It has been a while! Ask your grown-up to open BrainSpark again.',
    animation: 'waving_mascot',
  },
  FORBIDDEN: {
    status: 403,
    message: 'Insufficient permissions',
    child: 'This door is for grown-ups. Let us explore somewhere else!',
    animation: 'guide_mascot',
  },
  CHILD_ACCESS_DENIED: {
    status: 403,
    message: 'Not authorized for this child',
    child: 'Please ask your grown-up to open BrainSpark for you.',
    animation: 'waving_mascot',
  },
  TIME_LIMIT_REACHED: {
    status: 403,
    message: 'Daily time limit has been reached',
    child: "Great thinking today! Let's take a break and come back tomorrow!",
    animation: 'sleepy_mascot',
  },
  NOT_FOUND: {
    status: 404,
    message: 'Resource not found',
    child: 'We looked everywhere and could not find that. Let us go back!',
    animation: 'searching_mascot',
  },
  CONFLICT: {
    status: 409,
    message: 'The request conflicts with the current state',
    child: 'One moment, we are still busy with the last one!',
    animation: 'juggling_mascot',
  },
  UNPROCESSABLE_ENTITY: {
    status: 422,
    message: 'Request understood but cannot be processed',
    child: 'Not yet! Keep exploring and try again later.',
    animation: 'guide_mascot',
  },
  RATE_LIMITED: {
    status: 429,
    message: 'Too many requests. Please wait before trying again.',
    child: 'You are quick as lightning! Take a deep breath and try again soon.',
    animation: 'breathing_mascot',
  },
  INTERNAL_ERROR: { status: 500, message: 'Server error', child: 'Oops, something went wrong here. Let us try again in a moment!', animation: 'repair_mascot' },
  SERVICE_UNAVAILABLE: {
    status: 503,
    message: 'Service temporarily unavailable',
    child: 'BrainSpark is taking a tiny nap. Try again in a moment!',
    animation: 'sleepy_mascot',
  },
} as const satisfies Record<string, ErrorEntry>

export type ErrorCode = keyof typeof ERRORS

/** A fault of the input, named by its field ("settings.daily_time_limit_minutes"). */
export interface FieldFault {
  readonly field: string
  readonly message: string
}

export interface ErrorOptions {
  /** Other public words than the catalogue's. */
  readonly message?: string
  readonly details?: readonly FieldFault[]
  /** Other words for the child than the catalogue's. */
  readonly child?: string
  /** Machine-readable reason, such as `time_limit` or `bedtime`. */
  readonly reason?: string
  /** Seconds. */
  readonly retryAfter?: number
  /** The limit that was exceeded, for the headers of section 9.2. */
  readonly rateLimit?: { readonly limit: number; readonly remaining: number; readonly resetAt: number }
  /** Another status than the catalogue's: 413 and 415 speak VALIDATION_ERROR. */
  readonly status?: number
  /** For the log alone; must hold nothing a child said, no name and no e-mail. */
  readonly cause?: unknown
}

/** A refusal with a code of the catalogue. Everything in it but `cause` may be shown to the client. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly options: ErrorOptions

  constructor(code: ErrorCode, options: ErrorOptions = {}) {
    super(options.message ?? ERRORS[code].message, { cause: options.cause })
    this.code = code
    this.options = options
  }

  get status(): number {
    return this.options.status ?? ERRORS[this.code].status
  }
}

/** A 400 that names one field. */
export function invalidField(field: string, message: string): AppError {
  return new AppError('VALIDATION_ERROR', { details: [{ field, message }] })
}
