"""Many photos: folders and lists on all threads, and asyncio."""
