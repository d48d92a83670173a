"""Files that jobs make and read: their bytes in a directory or in S3, what is known of them in SQL.

    documents = open_documents()
    document = documents.put(Path("fatura.pdf"), namespace=ctx.namespace, owner="u-17")
    with documents.reading(document) as file: ...

For handlers and commands; callers name documents by their ids.
"""
