-- DropIndex
DROP INDEX "safety_flags_child_id_idx";

-- AlterTable
ALTER TABLE "growth_evidence" ADD COLUMN     "dismissed_at" TIMESTAMPTZ(3);

-- AlterTable
ALTER TABLE "learners" ADD COLUMN     "tokens_day" DATE,
ADD COLUMN     "tokens_used" INTEGER NOT NULL DEFAULT 0;

-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "latency_ms" INTEGER,
ADD COLUMN     "prompt_version" TEXT,
ADD COLUMN     "reading_grade" REAL,
ADD COLUMN     "tokens_in" INTEGER,
ADD COLUMN     "tokens_out" INTEGER,
ADD COLUMN     "withheld" BOOLEAN NOT NULL DEFAULT false;

-- AlterTable
ALTER TABLE "safety_flags" ADD COLUMN     "acknowledged_at" TIMESTAMPTZ(3),
ADD COLUMN     "alerted_at" TIMESTAMPTZ(3),
ADD COLUMN     "audience" TEXT NOT NULL DEFAULT 'family',
ADD COLUMN     "reminded_at" TIMESTAMPTZ(3);

-- CreateIndex
CREATE INDEX "safety_flags_child_id_created_at_idx" ON "safety_flags"("child_id", "created_at" DESC);

-- What the database itself guarantees, whatever the code does.
ALTER TABLE "safety_flags" ADD CONSTRAINT "safety_flags_audience_check" CHECK ("audience" IN ('family', 'safeguarding'));
ALTER TABLE "learners" ADD CONSTRAINT "learners_tokens_check" CHECK ("tokens_used" >= 0);

-- What the alert job looks through, every minute.
CREATE INDEX "safety_flags_unseen_idx" ON "safety_flags" ("created_at") WHERE "severity" = 'high' AND "acknowledged_at" IS NULL AND "reminded_at" IS NULL;
