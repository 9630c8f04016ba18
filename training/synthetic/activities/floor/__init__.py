"""Movement close to the floor: crouching, sitting, lying, falling, getting up, crawling, push-ups and squats."""
