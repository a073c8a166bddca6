import type { TutorEvent, TutorModel, TutorTurn } from '../../src/learning/tutor/tutor-model.ts'

/** A model that says what it is told to, when it is told to. */
export interface GatedTutor extends TutorModel {
  /** Turns handed to the model so far. */
  readonly turns: readonly TutorTurn[]
  /** Resolves when the model has been asked `count` times. */
  asked(count: number): Promise<void>
  /** Lets the turns that wait, and those to come, be answered. */
  open(): void
  /** Lets the turns that wait, and those to come, fail. */
  fail(error: Error): void
}

const GATED = { model: 'gated' }
const CHOICES = ['One way', 'Another way', 'A third way'].map((text, index) => ({ text, icon: 'star', passage: `space/curious_explorers/made-up-${index}` }))

/** Speaks `first`, waits at the gate, then finishes. */
export function gatedTutor(first = 'Let me think. ', rest = 'Here it is.'): GatedTutor {
  const turns: TutorTurn[] = []
  const waiters: { count: number; resolve: () => void }[] = []
  let open: () => void = () => {}
  let fail: (error: Error) => void = () => {}
  const gate = new Promise<void>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  gate.catch(() => {})
  return {
    turns,
    asked: (count) =>
      new Promise((resolve) => {
        if (turns.length >= count) resolve()
        else waiters.push({ count, resolve })
      }),
    open: () => open(),
    fail: (error) => fail(error),
    async *reply(turn): AsyncGenerator<TutorEvent> {
      turns.push(turn)
      for (const waiter of waiters) if (turns.length >= waiter.count) waiter.resolve()
      yield { text: first, by: GATED }
      await gate
      yield { text: rest, by: GATED }
      yield { choices: CHOICES, signals: { ...GATED, onTopic: true, passage: undefined } }
    },
  }
}
