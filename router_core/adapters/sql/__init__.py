"""Jobs in SQL through SQLAlchemy Core: SQLite beside the gateway, PostgreSQL or MariaDB for several of them."""
