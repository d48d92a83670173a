-- The documents of an owner, or of everybody where it is empty, the oldest first.
SELECT id, owner, kind, filename, content_type, status, reason, size, pages, rows, job_id,
       created, updated, expires
FROM portaria_documents
WHERE namespace = :namespace AND (:owner = '' OR owner = :owner)
ORDER BY created, id
